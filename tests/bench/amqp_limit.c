/* The limit of the event path: a client of AMQP 0-9-1 that does nothing but publish or consume, frames by hand.
 *
 *     amqp_limit publish|consume QUEUE EVENTS WINDOW      reads "HOST PORT USER PASSWORD VHOST" from its input
 *
 * The publisher sends persistent, mandatory events of 1020 bytes with confirms, and keeps at most WINDOW of them
 * unconfirmed. The consumer acknowledges everything that one read has brought by one frame. Both print the time of the
 * day and the CPU seconds since their first event, as the roles of `tests.bench.eventpath` do.
 *
 * Source: the AMQP 0-9-1 specification, sections 4.2 (frames) and 1.4 to 1.8 (methods), and RabbitMQ's confirms.
 */

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { METHOD = 1, HEADER = 2, BODY = 3, END = 0xCE, BODY_BYTES = 1020, FRAME_MAX = 131072 };

#define METHOD_ID(class, method) (((uint32_t)(class) << 16) | (method))
#define START METHOD_ID(10, 10)
#define TUNE METHOD_ID(10, 30)
#define OPENED METHOD_ID(10, 41)
#define CHANNEL_OPENED METHOD_ID(20, 11)
#define CONFIRMING METHOD_ID(85, 11)
#define QOS_SET METHOD_ID(60, 11)
#define CONSUMING METHOD_ID(60, 21)
#define DELIVER METHOD_ID(60, 60)
#define ACK METHOD_ID(60, 80)

typedef struct {
    uint8_t *bytes;
    size_t used, size;
} Buffer;

static int wire;
static Buffer out, in;
static size_t in_read;

static void fail(const char *what) {
    fprintf(stderr, "amqp_limit: %s\n", what);
    exit(1);
}

static void put(const void *bytes, size_t n) {
    if (out.used + n > out.size) {
        out.size = (out.used + n) * 2;
        out.bytes = realloc(out.bytes, out.size);
        if (out.bytes == NULL)
            fail("no memory");
    }
    memcpy(out.bytes + out.used, bytes, n);
    out.used += n;
}

static void put_number(uint64_t number, int n_bytes) {
    uint8_t bytes[8];
    for (int i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)(number >> (8 * (n_bytes - 1 - i)));
    put(bytes, (size_t)n_bytes);
}

static void put_short(const char *text) {
    put_number(strlen(text), 1);
    put(text, strlen(text));
}

/* Begin a frame, and return where its size belongs. */
static size_t begin_frame(int type, int channel) {
    put_number((uint64_t)type, 1);
    put_number((uint64_t)channel, 2);
    put_number(0, 4);
    return out.used - 4;
}

static size_t begin_method(int channel, uint32_t id) {
    size_t at = begin_frame(METHOD, channel);
    put_number(id, 4);
    return at;
}

static void end_frame(size_t at) {
    size_t n = out.used - at - 4;
    for (int i = 0; i < 4; i++)
        out.bytes[at + (size_t)i] = (uint8_t)(n >> (8 * (3 - i)));
    put_number(END, 1);
}

static void flush(void) {
    size_t sent = 0;
    while (sent < out.used) {
        ssize_t n = write(wire, out.bytes + sent, out.used - sent);
        if (n <= 0)
            fail("the broker has closed the connection");
        sent += (size_t)n;
    }
    out.used = 0;
}

static uint64_t number_at(const uint8_t *bytes, int n_bytes) {
    uint64_t number = 0;
    for (int i = 0; i < n_bytes; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* Read what has arrived, at least one byte. */
static void receive(void) {
    memmove(in.bytes, in.bytes + in_read, in.used - in_read);
    in.used -= in_read;
    in_read = 0;
    ssize_t n = read(wire, in.bytes + in.used, in.size - in.used);
    if (n <= 0)
        fail("the broker has closed the connection");
    in.used += (size_t)n;
}

/* Return the next whole frame's payload, or NULL if none has arrived. */
static const uint8_t *next_frame(int *type, size_t *size) {
    if (in.used - in_read < 8)
        return NULL;
    const uint8_t *frame = in.bytes + in_read;
    *size = number_at(frame + 3, 4);
    if (*size + 8 > in.size)
        fail("a frame is larger than agreed");
    if (in.used - in_read < *size + 8)
        return NULL;
    if (frame[*size + 7] != END)
        fail("a frame does not end");
    *type = frame[0];
    in_read += *size + 8;
    return frame + 7;
}

static const uint8_t *await_method(uint32_t wanted) {
    for (;;) {
        int type;
        size_t size;
        const uint8_t *payload = next_frame(&type, &size);
        if (payload == NULL) {
            receive();
            continue;
        }
        if (type != METHOD)
            continue;
        if (number_at(payload, 4) != wanted)
            fail("the broker refuses or says something unexpected");
        return payload + 4;
    }
}

static void open_wire(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        fail("the broker's host is unknown");
    wire = socket(found->ai_family, SOCK_STREAM, 0);
    if (wire < 0 || connect(wire, found->ai_addr, found->ai_addrlen) != 0)
        fail("no broker listens there");
    freeaddrinfo(found);
    int yes = 1;
    setsockopt(wire, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static void open_channel(const char *user, const char *password, const char *vhost) {
    put("AMQP\0\0\x09\x01", 8);
    flush();
    await_method(START);
    size_t at = begin_method(0, METHOD_ID(10, 11));
    put_number(0, 4); /* no properties of the client */
    put_short("PLAIN");
    put_number(strlen(user) + strlen(password) + 2, 4);
    put("", 1);
    put(user, strlen(user));
    put("", 1);
    put(password, strlen(password));
    put_short("en_US");
    end_frame(at);
    flush();
    await_method(TUNE);
    at = begin_method(0, METHOD_ID(10, 31));
    put_number(1, 2);
    put_number(FRAME_MAX, 4);
    put_number(0, 2); /* no heartbeat */
    end_frame(at);
    at = begin_method(0, METHOD_ID(10, 40));
    put_short(vhost);
    put_number(0, 2);
    end_frame(at);
    flush();
    await_method(OPENED);
    at = begin_method(1, METHOD_ID(20, 10));
    put_number(0, 1);
    end_frame(at);
    flush();
    await_method(CHANNEL_OPENED);
}

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double now_s(void) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

static void put_event(const char *queue, uint64_t number) {
    static uint8_t body[BODY_BYTES];
    char id[24];
    if (body[0] == 0)
        memset(body, '1', sizeof body); /* a JSON number */
    size_t at = begin_method(1, METHOD_ID(60, 40));
    put_number(0, 2);
    put_short("");
    put_short(queue);
    put_number(1, 1); /* mandatory */
    end_frame(at);
    at = begin_frame(HEADER, 1);
    put_number(60, 2);
    put_number(0, 2);
    put_number(BODY_BYTES, 8);
    put_number(0x8000 | 0x1000 | 0x0080, 2);
    put_short("application/json");
    put_number(2, 1); /* persistent */
    snprintf(id, sizeof id, "%llu", (unsigned long long)number);
    put_short(id);
    end_frame(at);
    at = begin_frame(BODY, 1);
    put(body, sizeof body);
    end_frame(at);
}

/* Read until the broker has confirmed at least one more event; return the number of events confirmed so far. */
static uint64_t await_confirms(uint64_t n_confirmed, uint8_t *is_confirmed) {
    static uint64_t lowest = 1; /* the first tag that is unconfirmed */
    uint64_t before = n_confirmed;
    while (n_confirmed == before) {
        int type;
        size_t size;
        const uint8_t *payload;
        receive();
        while ((payload = next_frame(&type, &size)) != NULL) {
            if (type != METHOD || number_at(payload, 4) != ACK)
                fail("the broker has not taken an event");
            uint64_t tag = number_at(payload + 4, 8);
            int is_multiple = payload[12];
            for (uint64_t each = is_multiple ? lowest : tag; each <= tag; each++) {
                n_confirmed += !is_confirmed[each];
                is_confirmed[each] = 1;
            }
            if (is_multiple && tag >= lowest)
                lowest = tag + 1;
        }
    }
    return n_confirmed;
}

static void publish(const char *queue, uint64_t n, uint64_t window) {
    size_t at = begin_method(1, METHOD_ID(85, 10));
    put_number(0, 1);
    end_frame(at);
    flush();
    await_method(CONFIRMING);
    uint8_t *is_confirmed = calloc(n + 1, 1);
    if (is_confirmed == NULL)
        fail("no memory");
    put_event(queue, 0);
    flush();
    uint64_t sent = 1, confirmed = await_confirms(0, is_confirmed);
    double begun_s = now_s(), before_s = cpu_s();
    while (confirmed < n) {
        while (sent < n && sent - confirmed < window)
            put_event(queue, sent++);
        flush();
        confirmed = await_confirms(confirmed, is_confirmed);
    }
    printf("%.6f %.6f\n", begun_s, cpu_s() - before_s);
}

static void consume(const char *queue, uint64_t n, uint64_t window) {
    size_t at = begin_method(1, METHOD_ID(60, 10));
    put_number(0, 4);
    put_number(window, 2);
    put_number(0, 1);
    end_frame(at);
    flush();
    await_method(QOS_SET);
    at = begin_method(1, METHOD_ID(60, 20));
    put_number(0, 2);
    put_short(queue);
    put_short("");
    put_number(0, 1);
    put_number(0, 4);
    end_frame(at);
    flush();
    await_method(CONSUMING);
    printf("ready\n");
    fflush(stdout);
    uint64_t n_whole = 0, tag = 0, whole_tag = 0, n_left = 0;
    double before_s = -1;
    while (n_whole < n) {
        int type;
        size_t size;
        const uint8_t *payload;
        uint64_t acked = n_whole;
        receive();
        while ((payload = next_frame(&type, &size)) != NULL) {
            if (type == METHOD) {
                if (number_at(payload, 4) != DELIVER)
                    fail("the broker has ended the consumer");
                tag = number_at(payload + 5 + payload[4], 8);
            } else if (type == HEADER) {
                n_left = number_at(payload + 4, 8);
            } else if (type == BODY) {
                n_left -= size;
                if (n_left == 0)
                    n_whole++, whole_tag = tag;
            }
        }
        if (n_whole == acked)
            continue;
        if (before_s < 0)
            before_s = cpu_s();
        at = begin_method(1, ACK);
        put_number(whole_tag, 8);
        put_number(1, 1);
        end_frame(at);
        flush();
    }
    printf("%.6f %.6f\n", now_s(), cpu_s() - before_s);
}

int main(int argc, char **argv) {
    char host[256], port[16], user[256], password[4096], vhost[256];
    if (argc != 5)
        fail("usage: amqp_limit publish|consume QUEUE EVENTS WINDOW");
    if (scanf("%255s %15s %255s %4095s %255s", host, port, user, password, vhost) != 5)
        fail("the first line must be: HOST PORT USER PASSWORD VHOST");
    in.size = 4 * FRAME_MAX;
    in.bytes = malloc(in.size);
    if (in.bytes == NULL)
        fail("no memory");
    open_wire(host, port);
    open_channel(user, password, vhost);
    uint64_t n = strtoull(argv[3], NULL, 10), window = strtoull(argv[4], NULL, 10);
    if (strcmp(argv[1], "publish") == 0)
        publish(argv[2], n, window);
    else
        consume(argv[2], n, window);
    return 0;
}
