################################################################################
#
# sluice-mbedtls: unpacked and no more
#
################################################################################

SLUICE_MBEDTLS_VERSION = 3.6.6
SLUICE_MBEDTLS_SITE = https://github.com/Mbed-TLS/mbedtls/releases/download/mbedtls-$(SLUICE_MBEDTLS_VERSION)
SLUICE_MBEDTLS_SOURCE = mbedtls-$(SLUICE_MBEDTLS_VERSION).tar.bz2
SLUICE_MBEDTLS_LICENSE = Apache-2.0 or GPL-2.0-or-later
SLUICE_MBEDTLS_LICENSE_FILES = LICENSE
SLUICE_MBEDTLS_INSTALL_TARGET = NO

$(eval $(generic-package))
