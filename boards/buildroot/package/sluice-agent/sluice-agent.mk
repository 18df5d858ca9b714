################################################################################
#
# sluice-agent: built from the tree that this file is in
#
################################################################################

SLUICE_AGENT_VERSION = 0.1.0
SLUICE_AGENT_SITE = $(BR2_EXTERNAL_SLUICE_PATH)/../..
SLUICE_AGENT_SITE_METHOD = local
SLUICE_AGENT_LICENSE = MIT
SLUICE_AGENT_LICENSE_FILES = LICENSE
SLUICE_AGENT_DEPENDENCIES = sluice-mbedtls
SLUICE_AGENT_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude /.cache --exclude '/build*'
SLUICE_AGENT_CONF_OPTS = -DSLUICE_GATEWAY=OFF -DSLUICE_MBEDTLS_SOURCE=$(SLUICE_MBEDTLS_DIR)

define SLUICE_AGENT_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 644 $(@D)/device-sdk/agent/sluice-agent.service \
		$(TARGET_DIR)/usr/lib/systemd/system/sluice-agent.service
endef

define SLUICE_AGENT_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 755 $(SLUICE_AGENT_PKGDIR)/S60sluice-agent \
		$(TARGET_DIR)/etc/init.d/S60sluice-agent
endef

$(eval $(cmake-package))
