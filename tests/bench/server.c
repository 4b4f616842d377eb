/* The bench's stand-in for Lambda's Invoke API: one thread, one epoll, every answer with a REPORT line.
 *
 *     server [--delay-us N] [--stall-ms N --stall-every-ms N] [--cert FILE --key FILE]
 *
 * Prints its port on one line, and ends when standard input ends. A request is answered after the delay, but
 * nothing is answered while the server stalls (the last N ms of each period, counted from its start). The last
 * eighth of a wait, at most 0.25 ms, is spent awake: an idle core of a virtual machine takes up to 0.1 ms to wake
 * up, which would make of 2 ms 2.05.
 *
 * Its own record of a call is the time from the kernel's receive stamp (SO_TIMESTAMPNS: queueing in this
 * process is part of it) to just before the answer is handed to the kernel. The record stands in the header
 * X-Bench-Residence-Ns and, in ms with six decimals, as Duration in the REPORT line. Over TLS there is no
 * kernel stamp: the record begins when the request was read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#ifdef BENCH_TLS
#include <openssl/ssl.h>
#endif

#define MAX_FD 65536
#define IN_BYTES 16384
#define OUT_BYTES 4096
#define SPIN_SHARE 8
#define LONGEST_SPIN_NS 250000

typedef struct {
    int fd, used, waiting;
    uint32_t generation;
    int64_t stamp_ns;
#ifdef BENCH_TLS
    SSL *ssl;
    int shaking;
#endif
    char in[IN_BYTES + 1];
} Conn;

typedef struct {
    int64_t due_ns;
    int fd;
    uint32_t generation;
} Due;

static Conn *conns[MAX_FD];
static Due queue[MAX_FD];
static uint32_t queue_head, queue_tail, generations;
static int64_t last_due_ns, started_ns, delay_ns, stall_ns, stall_every_ns;
static uint64_t calls;
static int epoll_fd, timer_fd, spinning;
#ifdef BENCH_TLS
static SSL_CTX *tls;
#endif

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void drop(Conn *conn) {
    conns[conn->fd] = NULL;
#ifdef BENCH_TLS
    if (conn->ssl) SSL_free(conn->ssl);
#endif
    close(conn->fd);
    free(conn);
}

static int encode(const char *from, int length, char *to) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *start = to;
    for (int at = 0; at < length; at += 3) {
        int rest = length - at;
        uint32_t bits = (unsigned char)from[at] << 16;
        if (rest > 1) bits |= (unsigned char)from[at + 1] << 8;
        if (rest > 2) bits |= (unsigned char)from[at + 2];
        *to++ = letters[bits >> 18];
        *to++ = letters[bits >> 12 & 63];
        *to++ = rest > 1 ? letters[bits >> 6 & 63] : '=';
        *to++ = rest > 2 ? letters[bits & 63] : '=';
    }
    return (int)(to - start);
}

static void answer(Conn *conn) {
    char id[37], log[1024], out[OUT_BYTES];
    snprintf(id, sizeof id, "6f1de0a7-3c5e-4b0c-9c1e-%012llx", (unsigned long long)++calls);
    int size = snprintf(out, sizeof out,
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
        "Content-Length: 4\r\nConnection: keep-alive\r\nx-amzn-RequestId: %s\r\n"
        "X-Amz-Executed-Version: $LATEST\r\n"
        "X-Amzn-Trace-Id: root=1-69560000-%012llx00000000;parent=0123456789abcdef;sampled=0\r\nX-Amz-Log-Result: ",
        id, (unsigned long long)calls);
    int length = snprintf(log, sizeof log,
        "START RequestId: %s Version: $LATEST\n"
        "2026-01-01T00:00:00.000Z\t%s\tINFO\torder accepted\n"
        "END RequestId: %s\nREPORT RequestId: %s\tDuration: ", id, id, id, id);
    int whole = length / 3 * 3;
    size += encode(log, whole, out + size);
    /* As late as possible: what is done after this is in nobody's record. */
    int64_t residence_ns = clock_ns() - conn->stamp_ns;
    long long ms = residence_ns / 1000000, part = residence_ns % 1000000;
    length += snprintf(log + length, sizeof log - length,
        "%lld.%06lld ms\tBilled Duration: %lld ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\t\n",
        ms, part, ms + 1);
    size += encode(log + whole, length - whole, out + size);
    size += snprintf(out + size, sizeof out - size,
        "\r\nX-Bench-Residence-Ns: %lld\r\n\r\n\"ok\"", (long long)residence_ns);
    conn->waiting = 0;
#ifdef BENCH_TLS
    if (conn->ssl) {
        if (SSL_write(conn->ssl, out, size) != size) drop(conn);
        return;
    }
#endif
    if (send(conn->fd, out, size, MSG_NOSIGNAL) != size) drop(conn);
}

/* Sleep until shortly before the next answer is due, if any is. */
static void arm(void) {
    struct itimerspec when = {0};
    spinning = 0;
    if (queue_head != queue_tail) {
        int64_t due_ns = queue[queue_head % MAX_FD].due_ns, spin_ns = (due_ns - clock_ns()) / SPIN_SHARE;
        if (spin_ns > LONGEST_SPIN_NS) spin_ns = LONGEST_SPIN_NS;
        if (spin_ns > 0) due_ns -= spin_ns;
        when.it_value.tv_sec = due_ns / 1000000000LL;
        when.it_value.tv_nsec = due_ns % 1000000000LL;
    }
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Answer now, or put the answer into the queue, which is in the order of due times. */
static void respond(Conn *conn) {
    if (!delay_ns && !stall_ns) {
        answer(conn);
        return;
    }
    int64_t due_ns = conn->stamp_ns + delay_ns;
    if (stall_ns) {
        int64_t phase_ns = (due_ns - started_ns) % stall_every_ns;
        if (phase_ns >= stall_every_ns - stall_ns) due_ns += stall_every_ns - phase_ns;
    }
    if (due_ns < last_due_ns) due_ns = last_due_ns;
    last_due_ns = due_ns;
    conn->waiting = 1;
    queue[queue_tail++ % MAX_FD] = (Due){due_ns, conn->fd, conn->generation};
    if (queue_tail - queue_head == 1) arm();
}

static void answer_due(void) {
    int64_t now_ns = clock_ns();
    if (queue_head != queue_tail && queue[queue_head % MAX_FD].due_ns > now_ns) return;
    while (queue_head != queue_tail && queue[queue_head % MAX_FD].due_ns <= now_ns) {
        Due due = queue[queue_head++ % MAX_FD];
        Conn *conn = conns[due.fd];
        if (conn && conn->generation == due.generation) answer(conn);
    }
    arm();
}

/* Whether a whole request is there; it is taken out of the buffer. */
static int take_request(Conn *conn) {
    conn->in[conn->used] = 0;
    char *end = memmem(conn->in, conn->used, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *field = strcasestr(conn->in, "\r\ncontent-length:");
    *end = '\r';
    int size = (int)(end + 4 - conn->in) + (field ? atoi(field + 17) : 0);
    if (conn->used < size) return 0;
    memmove(conn->in, conn->in + size, conn->used - size);
    conn->used -= size;
    return 1;
}

static ssize_t read_plain(Conn *conn) {
    char control[128];
    struct iovec into = {conn->in + conn->used, IN_BYTES - conn->used};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(conn->fd, &message, 0);
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    conn->stamp_ns = clock_ns();
    if (got > 0 && part && part->cmsg_type == SO_TIMESTAMPNS) {
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
        conn->stamp_ns = stamp.tv_sec * 1000000000LL + stamp.tv_nsec;
    }
    return got;
}

static void on_readable(Conn *conn) {
    ssize_t got;
#ifdef BENCH_TLS
    if (conn->ssl) {
        if (conn->shaking) {
            int done = SSL_accept(conn->ssl);
            if (done != 1) {
                int error = SSL_get_error(conn->ssl, done);
                if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) drop(conn);
                return;
            }
            conn->shaking = 0;
        }
        int read = SSL_read(conn->ssl, conn->in + conn->used, IN_BYTES - conn->used);
        if (read <= 0 && SSL_get_error(conn->ssl, read) == SSL_ERROR_WANT_READ) return;
        conn->stamp_ns = clock_ns();
        got = read;
    } else
#endif
        got = read_plain(conn);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 || conn->used + got >= IN_BYTES) {
        drop(conn);
        return;
    }
    conn->used += (int)got;
    if (!conn->waiting && take_request(conn)) respond(conn);
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        Conn *conn = fd < MAX_FD ? calloc(1, sizeof *conn) : NULL;
        if (!conn) {
            close(fd);
            continue;
        }
        conn->fd = fd;
        conn->generation = ++generations;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
#ifdef BENCH_TLS
        if (tls) {
            conn->ssl = SSL_new(tls);
            SSL_set_fd(conn->ssl, fd);
            conn->shaking = 1;
        }
#endif
        conns[fd] = conn;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_somewhere(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) {
        perror("bench server");
        exit(1);
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void use_options(int count, char **words) {
    const char *cert = NULL, *key = NULL;
    for (int at = 1; at + 1 < count; at += 2) {
        if (!strcmp(words[at], "--delay-us")) delay_ns = atoll(words[at + 1]) * 1000;
        else if (!strcmp(words[at], "--stall-ms")) stall_ns = atoll(words[at + 1]) * 1000000;
        else if (!strcmp(words[at], "--stall-every-ms")) stall_every_ns = atoll(words[at + 1]) * 1000000;
        else if (!strcmp(words[at], "--cert")) cert = words[at + 1];
        else if (!strcmp(words[at], "--key")) key = words[at + 1];
    }
    if (stall_ns && stall_every_ns < stall_ns) {
        fprintf(stderr, "--stall-every-ms must be longer than --stall-ms\n");
        exit(2);
    }
    if (!cert) return;
#ifdef BENCH_TLS
    tls = SSL_CTX_new(TLS_server_method());
    if (!tls || SSL_CTX_use_certificate_chain_file(tls, cert) != 1
            || SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "certificate or key cannot be read\n");
        exit(2);
    }
#else
    (void)key;
    fprintf(stderr, "built without TLS\n");
    exit(2);
#endif
}

int main(int count, char **words) {
    use_options(count, words);
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    int listener = listen_somewhere();
    int watched[] = {listener, timer_fd, STDIN_FILENO};
    for (int at = 0; at < 3; at++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = watched[at]};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watched[at], &event);
    }
    started_ns = clock_ns();
    static struct epoll_event events[1024];
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, 1024, spinning ? 0 : -1);
        for (int at = 0; at < ready; at++) {
            int fd = events[at].data.fd;
            char sink[64];
            if (fd == listener) accept_all(listener);
            else if (fd == timer_fd) { if (read(fd, sink, 8) == 8) spinning = 1; }
            else if (fd == STDIN_FILENO) { if (read(fd, sink, sizeof sink) <= 0) return 0; }
            else if (conns[fd]) on_readable(conns[fd]);
        }
        if (spinning) answer_due();
    }
}
