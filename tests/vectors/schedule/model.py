"""What EventBridge's cron fields mean, written for being right rather than fast: it looks at every day and every
minute of it. Prints cron.txt: expression, a time, and the next three runs after it, in UTC; `-` is none.

    python3 tests/vectors/schedule/model.py > tests/vectors/schedule/cron.txt
"""
import calendar
from datetime import datetime, timedelta

MONTHS = {name.upper(): n for n, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {name: n for n, name in enumerate("SUN MON TUE WED THU FRI SAT".split(), 1)}


def number(word, names):
    return names[word.upper()] if word.upper() in names else int(word)


def values(text, least, most, names=()):
    """All values of a field, by walking each item one value at a time."""
    found = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        if span == "*":
            first, last = least, most
        elif "-" in span:
            first, last = (number(word, names) for word in span.split("-"))
        else:
            first = number(span, names)
            last = most if step else first
        at, taken = first, 0
        while True:
            if taken % int(step or 1) == 0:
                found.add(at)
            if at == last:
                break
            at, taken = (least if at == most else at + 1), taken + 1
    return found


def weekday(day):
    return day.isoweekday() % 7 + 1  # SUN is 1


def month_days(day):
    return [day.replace(day=n) for n in range(1, calendar.monthrange(day.year, day.month)[1] + 1)]


def day_of_month_matches(field, day):
    days = month_days(day)
    workdays = [d for d in days if 2 <= weekday(d) <= 6]
    if field == "L":
        return day == days[-1]
    if field == "LW":
        return day == workdays[-1]
    if field.endswith("W"):
        wanted = int(field[:-1])
        if wanted > len(days):
            return False
        # The nearest of them; a Saturday's neighbours are one and two days away, never equally far.
        return day == min(workdays, key=lambda d: abs(d.day - wanted))
    return day.day in values(field, 1, 31)


def day_of_week_matches(field, day):
    same = [d for d in month_days(day) if weekday(d) == weekday(day)]
    if field == "L":
        return weekday(day) == 7
    if field.endswith("L"):
        return weekday(day) == number(field[:-1], WEEKDAYS) and day == same[-1]
    if "#" in field:
        wanted, _, nth = field.partition("#")
        return weekday(day) == number(wanted, WEEKDAYS) and same.index(day) == int(nth) - 1
    return weekday(day) in values(field, 1, 7, WEEKDAYS)


def runs(expression, after, count):
    minutes, hours, dom, month, dow, year = expression.split()
    years, months = values(year, 1970, 2199), values(month, 1, 12, MONTHS)
    times = [(h, m) for h in range(24) for m in range(60)
             if h in values(hours, 0, 23) and m in values(minutes, 0, 59)]
    day, found = after.date(), []
    while len(found) < count and day.year <= max(years):
        if day.year not in years or day.month not in months:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            continue
        matches = day_of_week_matches(dow, day) if dom == "?" else day_of_month_matches(dom, day)
        for h, m in times if matches else ():
            at = datetime(day.year, day.month, day.day, h, m)
            if at > after and len(found) < count:
                found.append(at)
        day += timedelta(days=1)
    return found + [None] * (count - len(found))


DAYS = """
* * ?|1 * ?|31 * ?|30 2 ?|29 2 ?|29 FEB ?|1,15 * ?|*/10 * ?|5/7 * ?|10-12 * ?|28-2 * ?|1-31/2 * ?|L * ?|L 2 ?
L FEB,APR,JUN ?|LW * ?|LW 5 ?|1W * ?|15W * ?|31W * ?|30W * ?|28W FEB ?|2W 8 ?|* 1/3 ?|* JAN-MAR ?|* NOV-FEB ?|* 6 ?
1 */2 ?|? * *|? * MON-FRI|? * 2-6|? * SAT-MON|? * SUN|? * 1|? * 7|? * L|? * 6L|? * FRIL|? * 1L|? * sunL|? * 2#1
? * MON#1|? * 6#5|? * 1#5|? * 3#2|? * 4#3|? * THU#4|? * MON,WED,FRI|? * 2/2|? * */2|? 12 7L|? 2 1#5|? * tue|? jul,aug 2-4
""".replace("\n", "|").strip("|").split("|")
CASES = [f"{time} {days} *" for time in ("0 12", "*/15 8-17") for days in DAYS]
CASES += ["* * * * ? *", "0 * * * ? *", "59 23 * * ? *", "0 0 * * ? *", "0/5 * * * ? *", "7/20 * * * ? *",
          "50-10 * * * ? *", "0,30 22-2 * * ? *", "10 0/6 * * ? *", "0 1-23/4 * * ? *", "0 18 ? * MON-FRI *",
          "0 8 1 * ? *", "0/15 * * * ? *", "0/10 * ? * MON-FRI *", "0/5 8-17 ? * MON-FRI *", "15 10 * * ? *",
          "30 9 L-0 * ? *".replace("L-0", "L"), "0 0 1 1 ? 2030", "0 0 1 1 ? 2020", "0 0 29 2 ? 2100",
          "0 0 29 2 ? 2096-2104", "0 0 1 1 ? 2027,2029,2031", "0 0 1 1 ? 2027/2", "0 0 1 1 ? */100",
          "0 0 31 12 ? 2199", "59 23 31 12 ? 2199", "0 0 13 * ? 2026-2027", "0 0 ? 2 1#5 2032-2060",
          "0 0 31 2,4,6 ? *"]
FROM = [datetime(2026, 11, 21, 12, 0), datetime(2028, 2, 28, 23, 59, 30), datetime(2026, 1, 31, 12, 7, 59)]

for n, case in enumerate(CASES):
    start = FROM[n % len(FROM)]
    for after in [start] if "2199" in case else [start, start + timedelta(days=200, seconds=1)]:
        found = (at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else "-" for at in runs(case, after, 3))
        print(f"cron({case})", after.strftime("%Y-%m-%dT%H:%M:%SZ"), *found, sep="\t")
