/* Contracts are in timefmt.h. */
#include "base/timefmt.h"
#include <stdio.h>
#include <string.h>
#include "base/err.h"

#define DAY_SECONDS INT64_C(86400)

/* A calendar date in the proleptic Gregorian calendar. */
struct date {
	int64_t year;
	int64_t month;	/* 1 - 12 */
	int64_t day;	/* 1 - 31 */
};

/*
 * Days since 1970-01-01 and back, by counting years from March so that the leap day is the
 * last of its year (H. Hinnant, "chrono-compatible low-level date algorithms").
 */
static int64_t days_of(struct date d)
{
	int64_t year = d.year - (d.month <= 2);
	int64_t era = year / 400;
	int64_t year_of_era = year - era * 400;
	int64_t month = d.month > 2 ? d.month - 3 : d.month + 9;
	int64_t day_of_year = (153 * month + 2) / 5 + d.day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static struct date date_of(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = z / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
			       day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era -
			      (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	struct date d;

	d.day = day_of_year - (153 * month + 2) / 5 + 1;
	d.month = month < 10 ? month + 3 : month - 9;
	d.year = year_of_era + era * 400 + (d.month <= 2);
	return d;
}

enum { FRACTION_MAX = 11 };	/* a point, nine digits, a NUL */

/* Writes ".5" for 500000000 of 9 places, nothing for 0. */
static void fraction_format(char out[FRACTION_MAX], uint64_t value, unsigned places)
{
	char *end = out;

	*out = '\0';
	if (value == 0)
		return;
	*end++ = '.';
	for (unsigned i = places; i > 0; i--) {
		end[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	end += places;
	while (end[-1] == '0')
		end--;
	*end = '\0';
}

void time_format(int64_t unix_ns, char out[TIME_TEXT_MAX])
{
	int64_t seconds = unix_ns / SECOND_NS, ns = unix_ns % SECOND_NS, days;
	char fraction[FRACTION_MAX];
	struct date d;

	if (unix_ns == 0) {
		snprintf(out, TIME_TEXT_MAX, "0001-01-01T00:00:00Z");
		return;
	}
	if (ns < 0) {
		ns += SECOND_NS;
		seconds--;
	}
	days = seconds / DAY_SECONDS;
	seconds %= DAY_SECONDS;
	if (seconds < 0) {
		seconds += DAY_SECONDS;
		days--;
	}
	d = date_of(days);
	fraction_format(fraction, (uint64_t)ns, 9);
	snprintf(out, TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", (int)d.year,
		 (int)d.month, (int)d.day, (int)(seconds / 3600), (int)(seconds / 60 % 60),
		 (int)(seconds % 60), fraction);
}

/* Takes exactly n digits off *text: their value, or -1. */
static int64_t take_digits(struct slice *text, size_t n)
{
	uint64_t value;

	if (text->len < n || slice_to_u64((struct slice){ text->data, n }, INT64_MAX, &value) < 0)
		return -1;
	text->data += n;
	text->len -= n;
	return (int64_t)value;
}

/* Takes c (either case) off *text: 1, or 0 if it is not there. */
static int take_char(struct slice *text, char c)
{
	if (text->len == 0 || (text->data[0] != c && text->data[0] != (c | 0x20)))
		return 0;
	text->data++;
	text->len--;
	return 1;
}

/* Takes the leading digits off *text, as many as there are. */
static struct slice take_run(struct slice *text)
{
	struct slice run = { text->data, 0 };

	while (run.len < text->len && text->data[run.len] >= '0' && text->data[run.len] <= '9')
		run.len++;
	if (run.len) {
		text->data += run.len;
		text->len -= run.len;
	}
	return run;
}

/* The digits behind a decimal point in terms of unit; those too small to matter are dropped. */
static uint64_t fraction_of(struct slice digits, uint64_t unit)
{
	uint64_t part = 0, scale = 1;

	for (size_t i = 0; i < digits.len && scale <= UINT64_MAX / unit / 10; i++) {
		part = part * 10 + (uint64_t)(digits.data[i] - '0');
		scale *= 10;
	}
	return part * unit / scale;
}

static int month_days(int64_t year, int64_t month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* "2026-11-24T00:22:22" -> date and second of the day. */
static int parse_clock(struct slice *text, struct date *d, int64_t *seconds)
{
	int64_t hour, minute, second;

	d->year = take_digits(text, 4);
	if (d->year < 1 || !take_char(text, '-'))
		return ERR_INVALID;
	d->month = take_digits(text, 2);
	if (d->month < 1 || d->month > 12 || !take_char(text, '-'))
		return ERR_INVALID;
	d->day = take_digits(text, 2);
	if (d->day < 1 || d->day > month_days(d->year, d->month) || !take_char(text, 'T'))
		return ERR_INVALID;
	hour = take_digits(text, 2);
	if (hour < 0 || hour > 23 || !take_char(text, ':'))
		return ERR_INVALID;
	minute = take_digits(text, 2);
	if (minute < 0 || minute > 59 || !take_char(text, ':'))
		return ERR_INVALID;
	second = take_digits(text, 2);
	if (second < 0 || second > 59)
		return ERR_INVALID;
	*seconds = hour * 3600 + minute * 60 + second;
	return 0;
}

/* "Z" or "+02:00" -> seconds east of UTC; nothing may follow. */
static int parse_offset(struct slice text, int64_t *seconds)
{
	int64_t hour, minute, sign;

	*seconds = 0;
	if (take_char(&text, 'Z'))
		return text.len ? ERR_INVALID : 0;
	if (text.len == 0 || (text.data[0] != '+' && text.data[0] != '-'))
		return ERR_INVALID;
	sign = text.data[0] == '-' ? -1 : 1;
	text.data++;
	text.len--;
	hour = take_digits(&text, 2);
	if (hour < 0 || hour > 23 || !take_char(&text, ':'))
		return ERR_INVALID;
	minute = take_digits(&text, 2);
	if (minute < 0 || minute > 59 || text.len)
		return ERR_INVALID;
	*seconds = sign * (hour * 3600 + minute * 60);
	return 0;
}

int time_parse(struct slice text, int64_t *unix_ns)
{
	int64_t seconds, offset, ns = 0;
	struct date d;

	if (parse_clock(&text, &d, &seconds) < 0)
		return ERR_INVALID;
	if (text.len && text.data[0] == '.') {
		struct slice digits;

		text.data++;
		text.len--;
		digits = take_run(&text);
		if (digits.len == 0)
			return ERR_INVALID;
		ns = (int64_t)fraction_of(digits, (uint64_t)SECOND_NS);
	}
	if (parse_offset(text, &offset) < 0)
		return ERR_INVALID;
	if (d.year == 1) {
		*unix_ns = 0;
		return 0;
	}
	seconds += days_of(d) * DAY_SECONDS - offset;
	/* One second is kept free on each side, so that adding ns cannot overflow. */
	if (seconds <= INT64_MIN / SECOND_NS || seconds >= INT64_MAX / SECOND_NS)
		return ERR_INVALID;
	*unix_ns = seconds * SECOND_NS + ns;
	return 0;
}

struct unit {
	const char *name;
	int64_t size;
};

static const struct unit duration_units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 },	/* the micro sign */
	{ "\xce\xbcs", 1000 },	/* the Greek letter */
	{ "ms", MS_NS },
	{ "s", SECOND_NS },
	{ "m", 60 * SECOND_NS },
	{ "h", 3600 * SECOND_NS },
};

/* Takes "1.5h" off *text. 0 and its nanoseconds, or ERR_INVALID. */
static int take_duration(struct slice *text, uint64_t *ns)
{
	struct slice whole = take_run(text), fraction = { NULL, 0 }, name = { text->data, 0 };
	uint64_t n = 0;

	if (take_char(text, '.')) {
		fraction = take_run(text);
		name.data = text->data;
	}
	if (whole.len + fraction.len == 0)
		return ERR_INVALID;
	if (whole.len && slice_to_u64(whole, INT64_MAX, &n) < 0)
		return ERR_INVALID;
	while (text->len && text->data[0] != '.' && (text->data[0] < '0' || text->data[0] > '9')) {
		name.len++;
		text->data++;
		text->len--;
	}
	for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
		uint64_t unit = (uint64_t)duration_units[i].size;

		if (!slice_is(name, duration_units[i].name))
			continue;
		if (n > INT64_MAX / unit)
			return ERR_INVALID;
		*ns = n * unit + fraction_of(fraction, unit);
		return 0;
	}
	return ERR_INVALID;
}

int duration_parse(struct slice text, int64_t *ns)
{
	uint64_t sum = 0, part;

	if (text.len == 0)
		return ERR_INVALID;
	if (slice_is(text, "0"))
		text.len = 0;
	while (text.len) {
		if (take_duration(&text, &part) < 0)
			return ERR_INVALID;
		sum += part;
		if (sum > INT64_MAX)
			return ERR_INVALID;
	}
	*ns = (int64_t)sum;
	return 0;
}

void duration_format(int64_t ns, char out[TIME_TEXT_MAX])
{
	uint64_t n = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	const uint64_t second = (uint64_t)SECOND_NS;
	const char *sign = ns < 0 ? "-" : "";
	uint64_t seconds = n / second;
	char fraction[FRACTION_MAX];

	if (n == 0 || n >= second) {
		fraction_format(fraction, n % second, 9);
		if (seconds >= 3600)
			snprintf(out, TIME_TEXT_MAX, "%s%dh%dm%d%ss", sign, (int)(seconds / 3600),
				 (int)(seconds / 60 % 60), (int)(seconds % 60), fraction);
		else if (seconds >= 60)
			snprintf(out, TIME_TEXT_MAX, "%s%dm%d%ss", sign, (int)(seconds / 60),
				 (int)(seconds % 60), fraction);
		else
			snprintf(out, TIME_TEXT_MAX, "%s%d%ss", sign, (int)seconds, fraction);
	} else if (n >= (uint64_t)MS_NS) {
		fraction_format(fraction, n % (uint64_t)MS_NS, 6);
		snprintf(out, TIME_TEXT_MAX, "%s%d%sms", sign, (int)(n / (uint64_t)MS_NS),
			 fraction);
	} else if (n >= 1000) {
		fraction_format(fraction, n % 1000, 3);
		snprintf(out, TIME_TEXT_MAX, "%s%d%s\xc2\xb5s", sign, (int)(n / 1000), fraction);
	} else {
		snprintf(out, TIME_TEXT_MAX, "%s%dns", sign, (int)n);
	}
}

/* The limits are those of docker's go-units, HumanDuration. */
void duration_words(int64_t ns, char out[TIME_TEXT_MAX])
{
	int64_t seconds = ns / SECOND_NS, minutes = seconds / 60;
	int64_t hours = (seconds + 1800) / 3600, days = hours / 24;

	if (seconds < 1)
		snprintf(out, TIME_TEXT_MAX, "Less than a second");
	else if (seconds == 1)
		snprintf(out, TIME_TEXT_MAX, "1 second");
	else if (seconds < 60)
		snprintf(out, TIME_TEXT_MAX, "%d seconds", (int)seconds);
	else if (minutes == 1)
		snprintf(out, TIME_TEXT_MAX, "About a minute");
	else if (minutes < 60)
		snprintf(out, TIME_TEXT_MAX, "%d minutes", (int)minutes);
	else if (hours == 1)
		snprintf(out, TIME_TEXT_MAX, "About an hour");
	else if (hours < 48)
		snprintf(out, TIME_TEXT_MAX, "%d hours", (int)hours);
	else if (days < 14)
		snprintf(out, TIME_TEXT_MAX, "%d days", (int)days);
	else if (days < 60)
		snprintf(out, TIME_TEXT_MAX, "%d weeks", (int)(days / 7));
	else if (days < 730)
		snprintf(out, TIME_TEXT_MAX, "%d months", (int)(days / 30));
	else
		snprintf(out, TIME_TEXT_MAX, "%d years", (int)(seconds / 3600 / 24 / 365));
}

/* "", "b", "k", "kb", "kib" and so on up to "p" -> bytes, or 0 for none of them. */
static uint64_t size_unit(struct slice suffix)
{
	static const char letters[] = "kmgtp";
	uint64_t unit = 1024;

	if (suffix.len == 0 || slice_is_nocase(suffix, "b"))
		return 1;
	for (const char *p = letters; *p; p++, unit *= 1024) {
		struct slice rest = suffix;

		if (!take_char(&rest, (char)(*p & ~0x20)))
			continue;
		if (rest.len == 0 || slice_is_nocase(rest, "b") || slice_is_nocase(rest, "ib"))
			return unit;
	}
	return 0;
}

int size_parse(struct slice text, int64_t *bytes)
{
	struct slice whole = take_run(&text), fraction = { NULL, 0 };
	uint64_t n = 0, part, unit;

	if (take_char(&text, '.'))
		fraction = take_run(&text);
	if (whole.len + fraction.len == 0)
		return ERR_INVALID;
	if (text.len && text.data[0] == ' ')
		take_char(&text, ' ');
	unit = size_unit(text);
	if (unit == 0 || (whole.len && slice_to_u64(whole, INT64_MAX / unit, &n) < 0))
		return ERR_INVALID;
	part = fraction_of(fraction, unit);
	if (part > INT64_MAX - n * unit)
		return ERR_INVALID;
	*bytes = (int64_t)(n * unit + part);
	return 0;
}
