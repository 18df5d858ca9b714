/* The command line of pki.h. */
#include "app/pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: sluice pki init DIR [--name NAME]\n"
    "       sluice pki issue DIR NAME [--server] [--host NAME|IP]... [--days N]\n"
    "\n"
    "init makes a certificate authority: DIR/ca.crt and DIR/ca.key.\n"
    "issue makes DIR/NAME.crt and DIR/NAME.key: for a device, or with --server for a\n"
    "gateway that clients reach under the names and addresses given with --host.\n";

static int complain(const char *text)
{
    fprintf(stderr, "sluice pki: %s\n", text);
    return 2;
}

static int finish(enum sluice_error error, const char *text, const char *directory, const char *name)
{
    if (error) {
        fprintf(stderr, "sluice pki: %s\n", text);
        return error == SLUICE_EXISTS || error == SLUICE_INVALID || error == SLUICE_NOT_FOUND ? 2 : 1;
    }
    printf("%s/%s.crt\n%s/%s.key\n", directory, name, directory, name);
    return 0;
}

static int init(int argc, char **argv)
{
    const char *name = "Sluice CA";
    char text[PKI_TEXT_BYTES];
    if (argc == 3 && strcmp(argv[1], "--name") == 0)
        name = argv[2];
    else if (argc != 1)
        return complain("init takes a directory and --name NAME");
    return finish(pki_init(argv[0], name, text), text, argv[0], "ca");
}

static bool read_days(const char *text, unsigned *ret_days)
{
    char *end;
    unsigned long days = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || days == 0 || days > PKI_DAYS_MAX)
        return false;
    *ret_days = (unsigned)days;
    return true;
}

/* NULL, or what is wrong with the options. */
static const char *read_options(int argc, char **argv, struct pki_request *request)
{
    for (int i = 0; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--server") == 0) {
            request->server = true;
        } else if (strcmp(argv[i], "--host") == 0 && value) {
            if (request->hosts_count == PKI_HOSTS_COUNT)
                return "more than 16 hosts";
            request->hosts[request->hosts_count++] = argv[++i];
        } else if (strcmp(argv[i], "--days") == 0 && value) {
            if (!read_days(argv[++i], &request->days))
                return "--days takes a number from 1 to 36500";
        } else {
            return "issue takes a directory, a name, --server, --host NAME and --days N";
        }
    }
    return request->hosts_count > 0 && !request->server ? "--host is for --server" : NULL;
}

static int issue(int argc, char **argv)
{
    char text[PKI_TEXT_BYTES];
    struct pki_request request = {.directory = argv[0], .name = argv[1]};
    const char *wrong = read_options(argc - 2, argv + 2, &request);
    if (wrong)
        return complain(wrong);
    return finish(pki_issue(&request, text), text, request.directory, request.name);
}

int pki_command(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "init") == 0)
        return init(argc - 2, argv + 2);
    if (argc >= 4 && strcmp(argv[1], "issue") == 0)
        return issue(argc - 2, argv + 2);
    fputs(usage, stderr);
    return 2;
}
