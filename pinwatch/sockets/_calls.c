/* The system calls that every chunk costs, without what Python's library adds to them.
 *
 * The twin of calls.py in the compiled build. A socket is never waited for, and so the
 * interpreter's lock is kept; only wait, which may last, lets it go.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<linux/aio_abi.h>) && defined(SYS_io_getevents)
#include <linux/aio_abi.h>
#define IO_SUBMIT
#endif
#endif

#define SMALL_READ 16384 /* bytes that are read without asking for memory first */
#define MOST 256      /* events of one wait */
#define TOGETHER 64   /* pieces that one system call sends */

static int
arguments(Py_ssize_t given, Py_ssize_t wanted, const char *name)
{
    if (given == wanted)
        return 1;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", name, wanted,
                 given);
    return 0;
}

/* -1, with an exception set, for what is none. */
static int
descriptor(PyObject *number)
{
    long fd = PyLong_AsLong(number);

    if (fd >= 0 && fd <= INT_MAX)
        return (int)fd;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "no file descriptor is such a number");
    return -1;
}

static PyObject *
receive_large(int fd, Py_ssize_t most)
{
    PyObject *data = PyBytes_FromStringAndSize(NULL, most);
    Py_ssize_t got;

    if (data == NULL)
        return NULL;
    got = recv(fd, PyBytes_AS_STRING(data), most, MSG_DONTWAIT);
    if (got < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(data);
        return NULL;
    }
    if (got < most)
        _PyBytes_Resize(&data, got);
    return data;
}

static PyObject *
receive(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char buffer[SMALL_READ];
    Py_ssize_t most, got;
    int fd;

    if (!arguments(count, 2, "receive"))
        return NULL;
    if ((fd = descriptor(args[0])) < 0)
        return NULL;
    most = PyLong_AsSsize_t(args[1]);
    if (most <= 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "at least one byte is received");
        return NULL;
    }
    if (most > SMALL_READ)
        return receive_large(fd, most);
    got = recv(fd, buffer, most, MSG_DONTWAIT);
    if (got < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyBytes_FromStringAndSize(buffer, got);
}

/* What one socket is to send; result is the bytes that it took, or -errno. */
struct piece {
    int fd;
    const char *data;
    Py_ssize_t size, result;
};

static void
send_alone(struct piece *piece)
{
    piece->result = send(piece->fd, piece->data, piece->size, MSG_DONTWAIT);
    if (piece->result < 0)
        piece->result = -errno;
}

#ifdef IO_SUBMIT
/* Of io_submit(2), which sends to sockets that do not block before it returns; 0 where
 * there is none, or it does not do so. */
static aio_context_t context;

static struct iocb
write_of(int fd, const char *data, Py_ssize_t size, int place)
{
    return (struct iocb){
        .aio_lio_opcode = IOCB_CMD_PWRITE,
        .aio_fildes = fd,
        .aio_buf = (uintptr_t)data,
        .aio_nbytes = size,
        .aio_data = place,
    };
}

/* Sends a byte to itself; whether that was done at once. */
static int
sends_at_once(void)
{
    static const char byte = 0; /* which outlives what may be late */
    struct iocb block, *order[1] = {&block};
    struct io_event event;
    int ends[2], done;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return 0;
    block = write_of(ends[0], &byte, 1, 0);
    done = syscall(SYS_io_submit, context, 1L, order) == 1 &&
           syscall(SYS_io_getevents, context, 0L, 1L, &event, NULL) == 1 &&
           event.res == 1;
    close(ends[0]);
    close(ends[1]);
    return done;
}

static void
open_context(void)
{
    static int tried;

    if (tried++ || syscall(SYS_io_setup, TOGETHER, &context) < 0 || sends_at_once())
        return;
    syscall(SYS_io_destroy, context);
    context = 0;
}

/* The results of what the kernel took: all that it has taken, none of an earlier call. */
static void
collect(struct piece *pieces, int taken)
{
    struct io_event events[TOGETHER];
    int done = 0;

    while (done < taken) {
        long left = taken - done;
        int more = syscall(SYS_io_getevents, context, left, left, &events[done], NULL);

        if (more > 0)
            done += more;
        else if (errno != EINTR)
            Py_FatalError("io_getevents fails where it did not before");
    }
    for (int n = 0; n < done; n++)
        pieces[events[n].data].result = events[n].res;
}

/* By one call, and how many of the first: the others are to be sent alone. */
static int
send_together(struct piece *pieces, int count)
{
    struct iocb blocks[TOGETHER], *order[TOGETHER];
    int taken;

    open_context();
    if (context == 0)
        return 0;
    for (int n = 0; n < count; n++) {
        blocks[n] = write_of(pieces[n].fd, pieces[n].data, pieces[n].size, n);
        order[n] = &blocks[n];
    }
    taken = syscall(SYS_io_submit, context, (long)count, order);
    if (taken <= 0)
        return 0;
    collect(pieces, taken);
    return taken;
}
#endif

static void
send_pieces(struct piece *pieces, int count)
{
    int sent = 0;

#ifdef IO_SUBMIT
    if (count > 1)
        sent = send_together(pieces, count);
#endif
    for (; sent < count; sent++)
        send_alone(&pieces[sent]);
}

/* Of the flat list, from its start; how many there are, or -1 with an exception set. */
static int
read_pieces(PyObject *flat, Py_ssize_t start, struct piece *pieces)
{
    Py_ssize_t count = (PyList_GET_SIZE(flat) - start) / 3;

    if (count > TOGETHER)
        count = TOGETHER;
    for (Py_ssize_t n = 0; n < count; n++) {
        PyObject **entry = &PyList_GET_ITEM(flat, start + 3 * n);

        if ((pieces[n].fd = descriptor(entry[1])) < 0)
            return -1;
        if (!PyBytes_Check(entry[2])) {
            PyErr_SetString(PyExc_TypeError, "bytes are sent");
            return -1;
        }
        pieces[n].data = PyBytes_AS_STRING(entry[2]);
        pieces[n].size = PyBytes_GET_SIZE(entry[2]);
    }
    return (int)count;
}

/* Adds to refused those that were not wholly taken. */
static int
tell(PyObject *refused, PyObject *flat, Py_ssize_t start, const struct piece *pieces,
     int count)
{
    for (int n = 0; n < count; n++) {
        PyObject **entry = &PyList_GET_ITEM(flat, start + 3 * n), *told;
        int failed;

        if (pieces[n].result == pieces[n].size)
            continue;
        told = Py_BuildValue("(OOn)", entry[0], entry[2], pieces[n].result);
        failed = told == NULL || PyList_Append(refused, told) < 0;
        Py_XDECREF(told);
        if (failed)
            return 0;
    }
    return 1;
}

/* The list keeps its room, for what will be sent next. */
static void
empty(PyObject *list)
{
    while (PyList_GET_SIZE(list) > 0) {
        PyObject *last = PyList_GET_ITEM(list, PyList_GET_SIZE(list) - 1);

        Py_SET_SIZE(list, PyList_GET_SIZE(list) - 1);
        Py_DECREF(last);
    }
}

static PyObject *
send_all(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    struct piece pieces[TOGETHER];
    PyObject *flat, *refused;
    int count;

    if (!arguments(given, 1, "send_all"))
        return NULL;
    flat = args[0];
    if (!PyList_Check(flat)) {
        PyErr_SetString(PyExc_TypeError, "a list is sent");
        return NULL;
    }
    refused = PyList_New(0);
    for (Py_ssize_t start = 0; refused && start + 2 < PyList_GET_SIZE(flat);
         start += 3 * count) {
        count = read_pieces(flat, start, pieces);
        if (count >= 0)
            send_pieces(pieces, count);
        if (count < 0 || !tell(refused, flat, start, pieces, count))
            Py_CLEAR(refused);
    }
    empty(flat);
    return refused;
}

#ifdef __linux__
/* In milliseconds, never sooner than asked for; negative is for ever. */
static int
milliseconds(double seconds)
{
    double wanted = seconds * 1e3;
    int whole;

    if (seconds < 0)
        return -1;
    if (!(wanted < INT_MAX))
        return INT_MAX;
    whole = (int)wanted;
    return whole + (whole < wanted);
}

static PyObject *
flat(const struct epoll_event *events, int count)
{
    PyObject *list = PyList_New(2 * (Py_ssize_t)count);

    if (list == NULL)
        return NULL;
    for (int n = 0; n < count; n++) {
        PyObject *fd = PyLong_FromLong(events[n].data.fd);
        PyObject *mask = PyLong_FromUnsignedLong(events[n].events);

        PyList_SET_ITEM(list, 2 * n, fd);
        PyList_SET_ITEM(list, 2 * n + 1, mask);
        if (fd == NULL || mask == NULL) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *
wait_events(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    struct epoll_event events[MOST];
    double seconds;
    int fd, found, failure;

    if (!arguments(count, 2, "wait"))
        return NULL;
    if ((fd = descriptor(args[0])) < 0)
        return NULL;
    seconds = PyFloat_AsDouble(args[1]);
    if (seconds == -1.0 && PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    found = epoll_wait(fd, events, MOST, milliseconds(seconds));
    failure = errno;
    Py_END_ALLOW_THREADS
    if (found < 0) {
        if (failure != EINTR) {
            errno = failure;
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (PyErr_CheckSignals() < 0)
            return NULL;
        found = 0;
    }
    return flat(events, found);
}
#endif

static PyMethodDef methods[] = {
    {"receive", (PyCFunction)(void (*)(void))receive, METH_FASTCALL, NULL},
    {"send_all", (PyCFunction)(void (*)(void))send_all, METH_FASTCALL, NULL},
#ifdef __linux__
    {"wait", (PyCFunction)(void (*)(void))wait_events, METH_FASTCALL, NULL},
#endif
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    return PyModule_AddIntMacro(module, SMALL_READ);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pinwatch.sockets._calls",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__calls(void)
{
    return PyModuleDef_Init(&definition);
}
