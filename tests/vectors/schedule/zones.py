"""When crons run that have a time zone, by Python's zoneinfo: every local time that a cron names and that exists, at the
first moment at which clocks show it. Prints zones.txt: expression, zone, a time, and the next three runs after it, in UTC.

    python3 tests/vectors/schedule/zones.py > tests/vectors/schedule/zones.txt
    python3 tests/vectors/schedule/zones.py all    # of every zone that the system has
"""
import contextlib
import io
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

with contextlib.redirect_stdout(io.StringIO()):
    from model import runs

UTC = timezone.utc


def moment(local, zone):
    """None: clocks never show that time."""
    at = local.replace(tzinfo=zone).astimezone(UTC)  # fold is 0: the first of two
    return at if at.astimezone(zone).replace(tzinfo=None) == local else None


def zoned_runs(expression, zone, after, count):
    # Two days before: no change is that long, so that the next ones are among these.
    start = after.astimezone(zone).replace(tzinfo=None) - timedelta(days=2)
    found = {at for local in runs(expression, start, 40) if local and (at := moment(local, zone))}
    return sorted(at for at in found if at > after)[:count]


def changes(zone, year):
    """The hours of a year at which the offset becomes another one."""
    def differ(at, step):
        return at.astimezone(zone).utcoffset() != (at + step).astimezone(zone).utcoffset()
    day, hour = timedelta(days=1), timedelta(hours=1)
    days = [datetime(year, 1, 1, tzinfo=UTC) + n * day for n in range(366)]
    hours = [at + n * hour for at in days if differ(at, day) for n in range(24)]
    return [at + hour for at in hours if differ(at, hour)]


# Rules that nobody has announced to change: the file stays the same with the next release of the database.
STABLE = """Europe/Berlin Europe/Dublin Europe/London America/New_York America/Havana America/Sao_Paulo Asia/Kolkata
Asia/Kathmandu Asia/Jerusalem Australia/Lord_Howe Pacific/Chatham Pacific/Auckland Africa/Johannesburg""".split()
CRONS = ["30 2 * * ? *", "0/20 0-3 * * ? *", "0 0 L * ? *"]


def write(name, year):
    zone = ZoneInfo(name)
    for n, change in enumerate(changes(zone, year) or [datetime(year, 5, 1, 7, tzinfo=UTC)]):
        for m, before in enumerate([timedelta(hours=30), timedelta(minutes=90), timedelta(minutes=-10)]):
            cron, after = CRONS[(n + m) % len(CRONS)], change - before
            text = [at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in [after, *zoned_runs(cron, zone, after, 3)]]
            print(f"cron({cron})", name, *text, sep="\t")


print("cron(30 12 * * ? *)", "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-29T22:30:00Z", "2011-12-30T22:30:00Z", sep="\t")
for name in sorted(available_timezones()) if sys.argv[1:] == ["all"] else STABLE:
    for year in (2026, 2090):
        write(name, year)
