/* The command line of pki.h. */
#include "app/pki.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: sluice pki init DIR [--name NAME]\n"
    "       sluice pki issue DIR NAME [--server] [--host NAME|IP]... [--days N]\n"
    "       sluice pki revoke DIR NAME [--reason REASON]\n"
    "       sluice pki renew DIR [NAME [--revoke-old]] [--days N]\n"
    "       sluice pki list DIR\n"
    "\n"
    "init makes a certificate authority: DIR/ca.crt, DIR/ca.key and its empty CRL DIR/ca.crl.\n"
    "issue makes DIR/NAME.crt and DIR/NAME.key: for a device, or with --server for a\n"
    "gateway that clients reach under the names and addresses given with --host.\n"
    "revoke puts every certificate of that name on the CRL and sets its files aside.\n"
    "renew makes a new certificate for the same key and name; the old one stays good until\n"
    "it runs out, unless --revoke-old. Without a name it renews the CRL alone.\n"
    "list shows what was issued, what is revoked, and what runs out when.\n"
    "REASON is unspecified, keyCompromise, superseded or cessationOfOperation.\n"
    "A running gateway takes the new files up with `sluice reload`.\n";

static int complain(const char *text)
{
    fprintf(stderr, "sluice pki: %s\n", text);
    return 2;
}

/* `files`: the names behind the directory's that are printed, ended by NULL. */
static int finish(enum sluice_error error, const char *text, const char *directory, const char *name,
                  const char *const *suffixes)
{
    if (error) {
        fprintf(stderr, "sluice pki: %s\n", text);
        return error == SLUICE_EXISTS || error == SLUICE_INVALID || error == SLUICE_NOT_FOUND ? 2 : 1;
    }
    for (; *suffixes; suffixes++)
        printf("%s/%s%s\n", directory, name, *suffixes);
    return 0;
}

static const char *const pair[] = {".crt", ".key", NULL};
static const char *const crl[] = {".crl", NULL};
static const char *const certificate[] = {".crt", NULL};

static int init(int argc, char **argv)
{
    const char *name = "Sluice CA";
    char text[PKI_TEXT_BYTES];
    if (argc == 3 && strcmp(argv[1], "--name") == 0)
        name = argv[2];
    else if (argc != 1)
        return complain("init takes a directory and --name NAME");
    return finish(pki_init(argv[0], name, text), text, argv[0], "ca", pair);
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

static const char days_wrong[] = "--days takes a number from 1 to 36500";

/* NULL, or what is wrong with the options. */
static const char *read_issue(int argc, char **argv, struct pki_request *request)
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
                return days_wrong;
        } else {
            return "issue takes a directory, a name, --server, --host NAME and --days N";
        }
    }
    return request->hosts_count > 0 && !request->server ? "--host is for --server" : NULL;
}

static int issue(int argc, char **argv)
{
    char text[PKI_TEXT_BYTES];
    if (argc < 2)
        return complain("issue takes a directory and a name");
    struct pki_request request = {.directory = argv[0], .name = argv[1]};
    const char *wrong = read_issue(argc - 2, argv + 2, &request);
    if (wrong)
        return complain(wrong);
    return finish(pki_issue(&request, text), text, request.directory, request.name, pair);
}

static int revoke(int argc, char **argv)
{
    char text[PKI_TEXT_BYTES];
    enum pki_reason reason = argc == 2 ? PKI_UNSPECIFIED : PKI_REASON_COUNT;
    for (unsigned i = 0; argc == 4 && strcmp(argv[2], "--reason") == 0 && i < PKI_REASON_COUNT; i++) {
        if (strcmp(argv[3], pki_reasons[i]) == 0)
            reason = i;
    }
    if (reason == PKI_REASON_COUNT)
        return complain(
            "revoke takes a directory, a name and --reason unspecified, keyCompromise, superseded "
            "or cessationOfOperation");
    return finish(pki_revoke(argv[0], argv[1], reason, text), text, argv[0], "ca", crl);
}

static int renew(int argc, char **argv)
{
    char text[PKI_TEXT_BYTES];
    const char *name = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    unsigned days = 0;
    bool revoke_old = false;
    for (int i = name ? 2 : 1; i < argc; i++) {
        if (strcmp(argv[i], "--revoke-old") == 0 && name)
            revoke_old = true;
        else if (strcmp(argv[i], "--days") != 0 || i + 1 == argc)
            return complain("renew takes a directory, a name, --days N and, with a name, --revoke-old");
        else if (!read_days(argv[++i], &days))
            return complain(days_wrong);
    }
    if (!name)
        return finish(pki_renew_crl(argv[0], days, text), text, argv[0], "ca", crl);
    return finish(pki_renew(argv[0], name, days, revoke_old, text), text, argv[0], name, certificate);
}

static int list(int argc, char **argv)
{
    char text[PKI_TEXT_BYTES];
    if (argc != 1)
        return complain("list takes a directory");
    return finish(pki_list(argv[0], stdout, text), text, argv[0], "", (const char *const[]){NULL});
}

int pki_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } tasks[] = {{"init", init}, {"issue", issue}, {"revoke", revoke}, {"renew", renew}, {"list", list}};
    for (size_t i = 0; argc >= 3 && i < sizeof tasks / sizeof *tasks; i++) {
        if (strcmp(argv[1], tasks[i].name) == 0)
            return tasks[i].run(argc - 2, argv + 2);
    }
    fputs(usage, stderr);
    return 2;
}
