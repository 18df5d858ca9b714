#include "app/commands.h"

#include <stdio.h>
#include <string.h>

static int version_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("sluice " SLUICE_VERSION);
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *text;
} commands[] = {
    {"init", init_command, "TEMPLATE [DIR]", "begin a project with a function: see `sluice init`"},
    {"run", run_command, "[--config FILE] [--stage NAME] [--verbose] [--watch]",
     "run the gateway until Ctrl-C or SIGTERM"},
    {"check", check_command, "[--config FILE] [--stage NAME]", "check a configuration and start nothing"},
    {"reload", reload_command, "[--config FILE] [--stage NAME]",
     "have the running gateway load rules, certificates, ..."},
    {"invoke", invoke_command, "NAME [--event FILE] [--log]", "run a function once, without a gateway"},
    {"passwd", passwd_command, "FILE NAME [--delete]", "set or delete the password of a user"},
    {"deploy", deploy_command, "[DIR] [--config FILE] [--stage NAME]",
     "make functions' code of a folder live, as new versions"},
    {"rollback", rollback_command, "NAME [VERSION] [--config FILE]", "make the version before it live again"},
    {"versions", versions_command, "[NAME] [--config FILE]", "list the versions that were deployed"},
    {"pki", pki_command, "init | issue | revoke | renew | list ...",
     "a certificate authority: see `sluice pki`"},
    {"sql", sql_command, "RULE --topic TOPIC [--payload FILE]", "show what a rule makes of a message"},
    {"dlq", dlq_command, "ls | show | replay | purge ...",
     "list, print, put back or delete the dead letters: see `sluice dlq`"},
    {"logs", logs_command, "NAME [--follow] [--since TIME]", "print what a function has printed"},
    {"reference", reference_command, "", "print the configuration reference as Markdown"},
    {"version", version_command, "", "print the version"},
};

static void print_usage(FILE *out)
{
    fputs("usage: sluice COMMAND [ARGUMENTS]\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-10s %-42s %s\n", commands[i].name, commands[i].arguments, commands[i].text);
    fputs("FILE is serverless.yml in this folder unless it is given, or template.yaml where there is none.\n",
          out);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_usage(stdout);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    if (*name)
        fprintf(stderr, "sluice: there is no command '%s'\n", name);
    print_usage(stderr);
    return 2;
}
