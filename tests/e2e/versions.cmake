sluice_e2e(deploy deploy_load qualifiers)
