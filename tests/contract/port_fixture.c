#include "port_fixture.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000 }; /* a machine that needs longer fails the test */

static char directory[] = "/tmp/sluice-port-XXXXXX";

const char *path_of(const char *name, const char *suffix)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s%s", directory, name, suffix);
    return path;
}

/* ---- the machine ---- */

_Atomic int64_t machine_late_s;
const char *_Atomic machine_localhost;
atomic_bool machine_names_unanswered;

/* The linker gives calls of X to __wrap_X, and X itself is __real_X. */
time_t __real_time(time_t *ret_time);
time_t __wrap_time(time_t *ret_time);
int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret_list);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret_list);

time_t __wrap_time(time_t *ret_time)
{
    time_t now = __real_time(NULL) - (time_t)machine_late_s;
    if (ret_time)
        *ret_time = now;
    return now;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int error = __real_clock_gettime(clock, ret_time);
    if (clock == CLOCK_REALTIME)
        ret_time->tv_sec -= (time_t)machine_late_s;
    return error;
}

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret_list)
{
    while (machine_names_unanswered)
        usleep(1000);
    const char *address = machine_localhost;
    return __real_getaddrinfo(address && strcmp(host, "localhost") == 0 ? address : host, service, hints,
                              ret_list);
}

/* ---- TLS servers ---- */

static void exec_server(int input, int output, const struct server_wish *wish, const char *accept)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* where a test fails half-way */
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(wish->once ? output : open("/dev/null", O_RDWR), STDERR_FILENO);
    execlp("openssl", "openssl", "s_server", "-accept", accept, "-cert", path_of(wish->certificate, ".crt"),
           "-key", path_of(wish->certificate, ".key"), "-CAfile", path_of("ca", ".crt"), "-Verify", "1",
           "-verify_return_error", "-tls1_2", "-no_ticket", "-naccept", wish->once ? "1" : "1000000",
           wish->says ? (char *)NULL : "-rev", (char *)NULL);
    _exit(127);
}

static void wait_for_server(struct server *server)
{
    char line[256] = "";
    while (strncmp(line, "ACCEPT", 6) != 0)
        assert_non_null(fgets(line, sizeof line, server->output));
    const char *colon = strrchr(line, ':'); /* the port is told where the system chose it */
    if (colon)
        server->tcp_port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

struct server server_start_as(struct server_wish wish)
{
    int input[2], output[2];
    char accept[64];
    snprintf(accept, sizeof accept, "%s:%u", wish.address ? wish.address : "127.0.0.1", wish.tcp_port);
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    struct server server = {.pid = fork(), .tcp_port = wish.tcp_port, .input = input[1]};
    if (server.pid == 0)
        exec_server(input[0], output[1], &wish, accept);
    close(input[0]);
    close(output[1]);
    server.output = fdopen(output[0], "re");
    assert_non_null(server.output);
    wait_for_server(&server);
    assert_int_equal(write(server.input, wish.says, wish.says_bytes), wish.says_bytes);
    return server;
}

struct server server_start(const char *certificate, uint16_t tcp_port)
{
    return server_start_as((struct server_wish){.certificate = certificate, .tcp_port = tcp_port});
}

bool server_heard(struct server *server, const char *text)
{
    bool heard = false;
    for (char line[256]; fgets(line, sizeof line, server->output);)
        heard = heard || strstr(line, text);
    return heard;
}

void server_stop(struct server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    fclose(server->output);
    close(server->input);
}

struct sluice_port *open_posix(const char *ca, const char *certificate)
{
    char why[SLUICE_POSIX_ERROR_BYTES] = "";
    struct sluice_port *port = NULL;
    const struct sluice_posix_config config = {path_of(ca, ".crt"), path_of(certificate, ".crt"),
                                               path_of(certificate, ".key")};
    if (sluice_posix_new(&config, why, &port))
        fail_msg("%s", why);
    return port;
}

int make_certificates(void **state)
{
    (void)state;
    char command[512];
    if (!mkdtemp(directory))
        return -1;
    snprintf(command, sizeof command, "sh %s %s >%s/log 2>&1", PORT_CERTIFICATES, directory, directory);
    return system(command);
}

int remove_certificates(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

void wait_for(struct sluice_port *port)
{
    if (port->flush)
        port->flush(port);
    struct sluice_wait wait = port->wait(port);
    struct pollfd entry = {wait.descriptor,
                           (short)((wait.readable ? POLLIN : 0) | (wait.writable ? POLLOUT : 0)), 0};
    assert_true(wait.descriptor >= 0);
    if (poll(&entry, 1, PATIENCE_MS) != 1)
        fail_msg("nothing happened in %d ms", PATIENCE_MS);
}

enum sluice_error connect_to(struct sluice_port *port, const char *host, uint16_t tcp_port)
{
    enum sluice_error error;
    while ((error = port->connect(port, host, tcp_port)) == SLUICE_AGAIN)
        wait_for(port);
    return error;
}
