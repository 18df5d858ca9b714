#include "frame_coder.h"

enum {
    TREND_LIMIT = 32,
    SEEN_LIMIT = 126, /* then the odds forget: the last 128 answers weigh most */
    NUMBER_BITS_FIELD = 7,
};

void frame_coder_init_encoder(struct frame_coder *coder, struct writer *out)
{
    *coder = (struct frame_coder){.range = UINT32_MAX, .out = out, .mark = out->at};
}

static uint32_t next_byte(struct frame_coder *coder)
{
    if (reader_left(&coder->in) > 0)
        return read_u8(&coder->in);
    coder->past_end_count++;
    return 0;
}

void frame_coder_init_decoder(struct frame_coder *coder, struct span body)
{
    *coder = (struct frame_coder){.range = UINT32_MAX, .in = reader_of(body)};
    for (int i = 0; i < 4; i++)
        coder->low = coder->low << 8 | next_byte(coder);
}

/* Adds to what is written already. It never goes past the first byte: the number is below 1. */
static void carry(struct frame_coder *coder)
{
    if (coder->out->failed)
        return;
    uint8_t *at = coder->out->at;
    do
        at--;
    while (++*at == 0);
    if (at < coder->mark)
        coder->carried = true;
}

static void raise_low(struct frame_coder *coder, uint32_t by)
{
    coder->low += by;
    if (coder->low < by)
        carry(coder);
}

void frame_coder_flush(struct frame_coder *coder)
{
    /* The interval is at least 2^24 wide, so a number whose other bytes are zero lies in it. */
    raise_low(coder, 0xFFFFFF);
    write_u8(coder->out, (uint8_t)(coder->low >> 24));
}

struct frame_coder frame_coder_mark(struct frame_coder *coder)
{
    coder->mark = coder->out->at;
    coder->carried = false;
    return *coder;
}

void frame_coder_return(struct frame_coder *coder, const struct frame_coder *mark)
{
    /* What comes after the mark stays inside the interval there: at most one carry can have passed it. */
    if (coder->carried) {
        uint8_t *at = mark->mark;
        do
            at--;
        while ((*at)-- == 0);
    }
    *coder = *mark;
    coder->out->at = mark->mark;
    coder->out->failed = false;
}

static void shift(struct frame_coder *coder)
{
    if (coder->out) {
        write_u8(coder->out, (uint8_t)(coder->low >> 24));
        coder->low <<= 8;
    } else {
        coder->low = coder->low << 8 | next_byte(coder);
    }
    coder->range <<= 8;
}

/* After n answers the odds are those of n + 1 with one imagined half-half. */
static void learn(struct frame_odds *odds, bool bit)
{
    uint32_t weight = odds->seen_count + 2u;
    if (bit)
        odds->no = (uint16_t)(odds->no - odds->no / weight);
    else
        odds->no = (uint16_t)(odds->no + (UINT16_MAX - odds->no) / weight);
    if (odds->seen_count < SEEN_LIMIT)
        odds->seen_count++;
}

static bool code_bit(struct frame_coder *coder, struct frame_odds *odds, bool bit)
{
    uint32_t bound = (coder->range >> 12) * (odds->no >> 4 | 1u);
    if (!coder->out)
        bit = coder->low >= bound;
    if (!bit) {
        coder->range = bound;
    } else {
        coder->range -= bound;
        if (coder->out)
            raise_low(coder, bound);
        else
            coder->low -= bound;
    }
    learn(odds, bit);
    while (coder->range < 1u << 24)
        shift(coder);
    return bit;
}

#define EVEN_ODDS ((struct frame_odds){32768, 0})

/* The lowest `count` bits, the highest of them first. */
static uint64_t code_bits(struct frame_coder *coder, uint64_t value, unsigned count)
{
    uint64_t coded = 0;
    while (count-- > 0)
        coded = coded << 1 | code_bit(coder, &EVEN_ODDS, value >> count & 1);
    return coded;
}

static unsigned bit_length(uint64_t value)
{
    unsigned length = 0;
    for (; value; value >>= 1)
        length++;
    return length;
}

/* A column's first value: nothing is known of it. */
static uint64_t code_first(struct frame_coder *coder, uint64_t value)
{
    uint64_t zigzag = value << 1 ^ (0 - (value >> 63));
    unsigned length = (unsigned)code_bits(coder, bit_length(zigzag), NUMBER_BITS_FIELD);
    zigzag = code_bits(coder, zigzag, length > 64 ? 64 : length);
    return zigzag >> 1 ^ (0 - (zigzag & 1));
}

/* The odds of a length, of `count` that there are: the last are those of all longer ones. */
static unsigned slot(unsigned length, unsigned count)
{
    return (length < count ? length : count) - 1;
}

/* 1 to 2^63: how many bits, in unary; then the bits below the first. */
static uint64_t code_magnitude(struct frame_coder *coder, struct frame_column *column, uint64_t magnitude)
{
    unsigned length = bit_length(magnitude), coded = 1;
    while (coded < 64 && code_bit(coder, &column->odds.longer[slot(coded, FRAME_LENGTHS)], length > coded))
        coded++;
    /* The distribution is seldom even within one length: two bits more of it are learnt. */
    struct frame_odds *high = column->odds.high[slot(coded, FRAME_HIGHS)];
    uint64_t top = 1;
    unsigned rest = coded - 1;
    for (; rest > 0 && top < 4; rest--)
        top = top << 1 | code_bit(coder, &high[top - 1], magnitude >> (rest - 1) & 1);
    return top << rest | code_bits(coder, magnitude, rest);
}

/* The difference between a value and its guess. */
static uint64_t code_surprise(struct frame_coder *coder, struct frame_column *column, uint64_t surprise)
{
    unsigned context = (unsigned)(column->sign + 1);
    column->sign = 0;
    if (!code_bit(coder, &column->odds.surprise[context], surprise != 0))
        return 0;
    bool negative = code_bit(coder, &column->odds.negative[context], surprise >> 63);
    column->sign = negative ? -1 : 1;
    uint64_t magnitude = code_magnitude(coder, column, negative ? 0 - surprise : surprise);
    return negative ? 0 - magnitude : magnitude;
}

static unsigned size_of(uint64_t difference)
{
    return bit_length(difference >> 63 ? 0 - difference : difference);
}

uint64_t frame_code_number(struct frame_coder *coder, struct frame_column *column, uint64_t value)
{
    if (!column->started) {
        column->started = true;
        return column->last = code_first(coder, value);
    }
    uint64_t guess = column->last + (column->trend > 0 ? column->step : 0);
    value = guess + code_surprise(coder, column, value - guess);
    uint64_t step = value - column->last;
    int trend = column->trend + (int)size_of(step) - (int)size_of(step - column->step);
    column->trend = (int8_t)(trend > TREND_LIMIT ? TREND_LIMIT : trend < -TREND_LIMIT ? -TREND_LIMIT : trend);
    column->step = step;
    column->last = value;
    return value;
}

/* Which text it is: seldom another than the latest one, and then likely one that has come often. */
static uint64_t code_place(struct frame_coder *coder, struct frame_column *column, uint64_t place)
{
    bool is_other = code_bit(coder, &column->odds.surprise[column->sign], place != column->last);
    column->sign = is_other;
    if (is_other)
        column->last = code_magnitude(coder, column, place + 1) - 1;
    return column->last;
}

/* The bits of a float in the order of the numbers that they mean; its own inverse. */
static uint32_t order_float(uint32_t bits)
{
    return bits >> 31 ? bits ^ 0x7FFFFFFF : bits;
}

void frame_code_value(struct frame_coder *coder, enum frame_type type, struct frame_column *column,
                      struct frame_value *value)
{
    value->present = code_bit(coder, &column->odds.present[column->was_present], value->present);
    column->was_present = value->present;
    if (!value->present) {
        value->number = 0;
        return;
    }
    switch (type) {
    case FRAME_BOOLEAN:
        column->last = code_bit(coder, &column->odds.surprise[column->last], value->number != 0);
        value->number = (int64_t)column->last;
        break;
    case FRAME_FLOAT32: {
        int32_t ordered = (int32_t)order_float((uint32_t)value->number);
        uint64_t number = frame_code_number(coder, column, (uint64_t)(int64_t)ordered);
        value->number = order_float((uint32_t)number);
        break;
    }
    case FRAME_DECIMAL:
        value->number = (int64_t)frame_code_number(coder, column, (uint64_t)value->number);
        break;
    case FRAME_TEXT: value->number = (int64_t)code_place(coder, column, (uint64_t)value->number); break;
    }
}

void frame_column_init(struct frame_column *column, int8_t trend)
{
    *column = (struct frame_column){.trend = trend, .was_present = true};
    struct frame_odds *odds = (struct frame_odds *)&column->odds;
    for (size_t i = 0; i < sizeof column->odds / sizeof *odds; i++)
        odds[i] = EVEN_ODDS;
}

uint16_t frame_checksum(struct span bytes)
{
    uint32_t crc = 0xFFFF;
    for (size_t i = 0; i < bytes.len; i++) {
        /* The polynomial's terms x^12, x^5 and 1, for eight bits at once. */
        uint32_t high = crc >> 8 ^ bytes.data[i];
        high ^= high >> 4;
        crc = (crc << 8 ^ high << 12 ^ high << 5 ^ high) & 0xFFFF;
    }
    return (uint16_t)crc;
}
