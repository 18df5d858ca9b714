# Run by cpack before it packs: a folder of /etc or /usr is everybody's to read, whatever the builder's umask. An archive
# gives its modes to the folders of the system that it is unpacked in, and the agent runs as a user of its own.
file(CHMOD_RECURSE ${CPACK_TEMPORARY_DIRECTORY} DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
     GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
