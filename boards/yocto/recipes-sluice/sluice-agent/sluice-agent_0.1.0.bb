SUMMARY = "Publishes a board's sensors over mutual TLS to a Sluice gateway"
DESCRIPTION = "Its configuration is /etc/sluice/agent.conf, with the device's key and certificate beside it: they are for \
a .bbappend of the image or for boards/flash to bring. Without a key the service does not begin."
LICENSE = "MIT & Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=d6b2edc5628cb2a26d1f387691ebc850"

MBEDTLS = "mbedtls-3.6.6"
FILESEXTRAPATHS:prepend := "${SLUICE_TREE}:"
SRC_URI = " \
    file://CMakeLists.txt;subdir=sluice \
    file://LICENSE;subdir=sluice \
    file://device-sdk;subdir=sluice \
    https://github.com/Mbed-TLS/mbedtls/releases/download/${MBEDTLS}/${MBEDTLS}.tar.bz2;name=mbedtls;subdir=sluice \
"
SRC_URI[mbedtls.sha256sum] = "8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a"

# Releases before styhead have no UNPACKDIR.
S = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}/sluice"

inherit cmake systemd

EXTRA_OECMAKE = "-DSLUICE_GATEWAY=OFF -DSLUICE_MBEDTLS_SOURCE=${S}/${MBEDTLS}"
SYSTEMD_SERVICE:${PN} = "sluice-agent.service"

do_install:append() {
    install -D -m 0644 ${S}/device-sdk/agent/sluice-agent.service ${D}${systemd_system_unitdir}/sluice-agent.service
    install -d ${D}${sysconfdir}/sluice
}
