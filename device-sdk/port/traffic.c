#include "port/posix_internal.h"

#include <linux/tcp.h>
#include <netinet/in.h>

enum {
    IPV4_HEADER_BYTES = 20,
    IPV6_HEADER_BYTES = 40,
    TCP_HEADER_BYTES = 32, /* with the timestamps that Linux sends */
};

/* Older systems tell less: the figures that they do not know stay 0. */
static void count_packets(int descriptor, struct sluice_traffic *traffic)
{
    struct tcp_info info = {0};
    struct sockaddr address = {0};
    socklen_t len = sizeof info, address_len = sizeof address;
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &len) ||
        getsockname(descriptor, &address, &address_len))
        return;
    uint64_t header_bytes =
        TCP_HEADER_BYTES + (address.sa_family == AF_INET6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES);
    traffic->sent_header_bytes = info.tcpi_segs_out * header_bytes;
    traffic->received_header_bytes = info.tcpi_segs_in * header_bytes;
    traffic->resent_bytes = info.tcpi_bytes_retrans;
}

void sluice_posix_traffic(struct sluice_port *port, struct sluice_traffic *ret_traffic)
{
    const struct posix *posix = posix_of(port);
    *ret_traffic =
        (struct sluice_traffic){.sent_bytes = posix->sent_bytes, .received_bytes = posix->received_bytes};
    if (posix->phase >= PHASE_TCP)
        count_packets(posix->descriptor, ret_traffic);
}
