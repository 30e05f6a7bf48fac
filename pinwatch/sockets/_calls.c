/* The system calls that each chunk of data needs, without the cost of Python's library.
 *
 * The counterpart of calls.py in the compiled build. Sockets do not block, so receive
 * and send keep the interpreter lock; each call that may wait releases it. The module
 * has no state of its own.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/syscall.h>
#if __has_include(<linux/aio_abi.h>) && defined(SYS_io_getevents)
#include <linux/aio_abi.h>
#define IO_SUBMIT
#endif
#endif

#define SMALL_READ 16384 /* data of up to this size is read to the stack first */
#define MAX_EVENTS 256   /* per wait */
#define MAX_BATCH 64     /* pieces per system call */

/* Check the number of arguments; return 0 with an exception set if it is wrong. */
static int
check_count(Py_ssize_t given, Py_ssize_t expected, const char *name)
{
    if (given == expected)
        return 1;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", name, expected,
                 given);
    return 0;
}

/* Return a file descriptor, or -1 with an exception set. Runs no Python code. */
static int
as_descriptor(PyObject *number)
{
    long fd;

    if (!PyLong_Check(number)) {
        PyErr_Format(PyExc_TypeError, "a file descriptor must be an int, not %.200s",
                     Py_TYPE(number)->tp_name);
        return -1;
    }
    fd = PyLong_AsLong(number);
    if (fd >= 0 && fd <= INT_MAX)
        return (int)fd;
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "invalid file descriptor: %ld", fd);
    return -1;
}

static PyObject *
receive_large(int fd, Py_ssize_t size)
{
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    Py_ssize_t received;

    if (data == NULL)
        return NULL;
    received = recv(fd, PyBytes_AS_STRING(data), size, MSG_DONTWAIT);
    if (received < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(data);
        return NULL;
    }
    if (received < size)
        _PyBytes_Resize(&data, received); /* sets data to NULL if it fails */
    return data;
}

static PyObject *
receive(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char buffer[SMALL_READ];
    Py_ssize_t size, received;
    int fd;

    if (!check_count(count, 2, "receive"))
        return NULL;
    fd = as_descriptor(args[0]);
    if (fd < 0)
        return NULL;
    size = PyLong_AsSsize_t(args[1]);
    if (size == -1 && PyErr_Occurred())
        return NULL;
    if (size <= 0) {
        PyErr_Format(PyExc_ValueError, "size must be positive, not %zd", size);
        return NULL;
    }
    if (size > SMALL_READ)
        return receive_large(fd, size);
    received = recv(fd, buffer, size, MSG_DONTWAIT);
    if (received < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyBytes_FromStringAndSize(buffer, received);
}

/* Bytes for one socket. result is the number of bytes that it took, or -errno. */
struct piece {
    PyObject *writer, *data;
    int fd;
    Py_ssize_t result;
};

static void
send_one(struct piece *piece)
{
    piece->result = send(piece->fd, PyBytes_AS_STRING(piece->data),
                         PyBytes_GET_SIZE(piece->data), MSG_DONTWAIT);
    if (piece->result < 0)
        piece->result = -errno;
}

/* Sends the pieces of a round. */
typedef struct {
    PyObject_HEAD
#ifdef IO_SUBMIT
    aio_context_t context; /* 0 if pieces are sent one by one */
    pid_t owner;           /* the process that created the context */
#endif
} Sender;

#ifdef IO_SUBMIT
static struct iocb
write_block(int fd, const void *data, Py_ssize_t size, int index)
{
    return (struct iocb){
        .aio_lio_opcode = IOCB_CMD_PWRITE,
        .aio_fildes = fd,
        .aio_buf = (uintptr_t)data,
        .aio_nbytes = size,
        .aio_data = index,
    };
}

/* Take up to count results that are there already; never wait for one. */
static long
take_results(aio_context_t context, long count, struct io_event *events)
{
    struct timespec no_wait = {0, 0};

    return syscall(SYS_io_getevents, context, 0L, count, events, &no_wait);
}

/* Send a byte to a socket of our own; return whether io_submit did so at once. */
static int
sends_at_once(aio_context_t context)
{
    static const char byte = 0; /* static: a late send must not read a dead stack */
    struct iocb block, *blocks[1] = {&block};
    struct io_event event;
    int ends[2], sent;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return 0;
    block = write_block(ends[0], &byte, 1, 0);
    sent = syscall(SYS_io_submit, context, 1L, blocks) == 1 &&
           take_results(context, 1, &event) == 1 && event.res == 1;
    close(ends[0]);
    close(ends[1]);
    return sent;
}

/* Return a new context, or 0 where io_submit is missing, forbidden or too slow. */
static aio_context_t
open_context(void)
{
    aio_context_t context = 0;

    if (syscall(SYS_io_setup, MAX_BATCH, &context) < 0)
        return 0;
    if (sends_at_once(context))
        return context;
    syscall(SYS_io_destroy, context);
    return 0;
}

/* Return whether the context can be used. A forked child must not use the context, which
 * is its parent's; the child sends piece by piece. */
static int
has_context(Sender *self)
{
    if (self->context != 0 && self->owner != getpid())
        self->context = 0;
    return self->context != 0;
}

/* Store the results of the first `count` pieces, which the kernel has accepted.
 *
 * For a non-blocking socket, the kernel sends during the call of io_submit, so all
 * results are there. Should one be missing, its piece fails with EIO, and its bytes are never freed,
 * since the kernel may still read them. The context is abandoned together with the late
 * results; destroying it would wait for them. */
static void
collect(Sender *self, struct piece *pieces, int count)
{
    struct io_event events[MAX_BATCH];
    unsigned char reported[MAX_BATCH] = {0};
    long found = take_results(self->context, count, events);

    for (long n = 0; n < found; n++) {
        pieces[events[n].data].result = events[n].res;
        reported[events[n].data] = 1;
    }
    if (found == count)
        return;
    self->context = 0;
    for (int n = 0; n < count; n++) {
        if (reported[n])
            continue;
        pieces[n].result = -EIO;
        Py_INCREF(pieces[n].data);
    }
}

/* Send by one system call. Return the number of pieces that it has handled, which are
 * the first ones. */
static int
send_together(Sender *self, struct piece *pieces, int count)
{
    struct iocb blocks[MAX_BATCH], *pointers[MAX_BATCH];
    int accepted;

    if (!has_context(self))
        return 0;
    for (int n = 0; n < count; n++) {
        blocks[n] = write_block(pieces[n].fd, PyBytes_AS_STRING(pieces[n].data),
                                PyBytes_GET_SIZE(pieces[n].data), n);
        pointers[n] = &blocks[n];
    }
    accepted = syscall(SYS_io_submit, self->context, (long)count, pointers);
    if (accepted <= 0)
        return 0;
    collect(self, pieces, accepted);
    return accepted;
}
#endif

static void
send_batch(Sender *self, struct piece *pieces, int count)
{
    int sent = 0;

#ifdef IO_SUBMIT
    if (count > 1)
        sent = send_together(self, pieces, count);
#endif
    for (; sent < count; sent++)
        send_one(&pieces[sent]);
}

/* Read up to MAX_BATCH pieces of the flat list. Return their number, or -1 with an
 * exception set; the pieces borrow their references from the list. */
static int
read_batch(PyObject *flat, Py_ssize_t start, struct piece *pieces)
{
    int count = 0;

    for (; count < MAX_BATCH && start + 2 < PyList_GET_SIZE(flat); start += 3, count++) {
        PyObject *data = PyList_GET_ITEM(flat, start + 2);
        int fd = as_descriptor(PyList_GET_ITEM(flat, start + 1));

        if (fd >= 0 && !PyBytes_Check(data))
            PyErr_Format(PyExc_TypeError, "data must be bytes, not %.200s",
                         Py_TYPE(data)->tp_name);
        if (fd < 0 || !PyBytes_Check(data))
            return -1;
        pieces[count].writer = PyList_GET_ITEM(flat, start);
        pieces[count].data = data;
        pieces[count].fd = fd;
    }
    return count;
}

/* Keep the pieces that were not sent completely, with references of their own: Python
 * code may run from now on and change the list. Return their number. */
static int
keep_unsent(struct piece *pieces, int count)
{
    int kept = 0;

    for (int n = 0; n < count; n++) {
        if (pieces[n].result == PyBytes_GET_SIZE(pieces[n].data))
            continue;
        Py_INCREF(pieces[n].writer);
        Py_INCREF(pieces[n].data);
        pieces[kept++] = pieces[n];
    }
    return kept;
}

static void
release(struct piece *pieces, int count)
{
    for (int n = 0; n < count; n++) {
        Py_DECREF(pieces[n].writer);
        Py_DECREF(pieces[n].data);
    }
}

/* Append (writer, data, result) for each piece. Return 0 with an exception set if that
 * fails. */
static int
report_unsent(PyObject *unsent, const struct piece *pieces, int count)
{
    for (int n = 0; n < count; n++) {
        const struct piece *piece = &pieces[n];
        PyObject *entry;
        int failed;

        entry = Py_BuildValue("(OOn)", piece->writer, piece->data, piece->result);
        failed = entry == NULL || PyList_Append(unsent, entry) < 0;
        Py_XDECREF(entry);
        if (failed)
            return 0;
    }
    return 1;
}

static PyObject *
sender_send(PyObject *self, PyObject *flat)
{
    struct piece pieces[MAX_BATCH];
    PyObject *unsent;
    int count, kept, done;

    if (!PyList_Check(flat)) {
        PyErr_Format(PyExc_TypeError, "pieces must be a list, not %.200s",
                     Py_TYPE(flat)->tp_name);
        return NULL;
    }
    unsent = PyList_New(0);
    if (unsent == NULL)
        return NULL;
    for (Py_ssize_t start = 0; start + 2 < PyList_GET_SIZE(flat); start += 3 * count) {
        count = read_batch(flat, start, pieces);
        if (count < 0)
            goto error;
        send_batch((Sender *)self, pieces, count);
        kept = keep_unsent(pieces, count);
        done = report_unsent(unsent, pieces, kept);
        release(pieces, kept);
        if (!done)
            goto error;
    }
    return unsent;

error:
    Py_DECREF(unsent);
    return NULL;
}

static PyObject *
sender_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *self;

    if (PyTuple_GET_SIZE(args) != 0 || keywords != NULL) {
        PyErr_SetString(PyExc_TypeError, "Sender() takes no arguments");
        return NULL;
    }
    self = type->tp_alloc(type, 0);
#ifdef IO_SUBMIT
    if (self != NULL) {
        aio_context_t context;

        Py_BEGIN_ALLOW_THREADS
        context = open_context();
        Py_END_ALLOW_THREADS
        ((Sender *)self)->context = context;
        ((Sender *)self)->owner = getpid();
    }
#endif
    return self;
}

static void
close_context(Sender *self)
{
#ifdef IO_SUBMIT
    if (has_context(self)) {
        aio_context_t context = self->context;

        self->context = 0;
        Py_BEGIN_ALLOW_THREADS
        syscall(SYS_io_destroy, context);
        Py_END_ALLOW_THREADS
    }
#endif
}

static PyObject *
sender_close(PyObject *self, PyObject *unused)
{
    close_context((Sender *)self);
    Py_RETURN_NONE;
}

static void
sender_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    close_context((Sender *)self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef sender_methods[] = {
    {"send", sender_send, METH_O, NULL},
    {"close", sender_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot sender_slots[] = {
    {Py_tp_new, sender_new},
    {Py_tp_dealloc, sender_dealloc},
    {Py_tp_methods, sender_methods},
    {0, NULL},
};

static PyType_Spec sender_spec = {
    .name = "pinwatch.sockets._calls.Sender",
    .basicsize = sizeof(Sender),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sender_slots,
};

#ifdef __linux__
/* Round up to milliseconds; -1, for a negative timeout, waits without a limit. */
static int
as_milliseconds(double seconds)
{
    double exact = seconds * 1e3;
    int whole;

    if (seconds < 0)
        return -1;
    if (!(exact < INT_MAX))
        return INT_MAX;
    whole = (int)exact;
    return whole + (whole < exact);
}

/* Return a list of descriptors, each followed by its mask. */
static PyObject *
event_list(const struct epoll_event *events, int count)
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
    struct epoll_event events[MAX_EVENTS];
    double seconds;
    int fd, found, error;

    if (!check_count(count, 2, "wait"))
        return NULL;
    fd = as_descriptor(args[0]);
    if (fd < 0)
        return NULL;
    seconds = PyFloat_AsDouble(args[1]);
    if (seconds == -1.0 && PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    found = epoll_wait(fd, events, MAX_EVENTS, as_milliseconds(seconds));
    error = errno;
    Py_END_ALLOW_THREADS
    if (found < 0) {
        if (error != EINTR) {
            errno = error;
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (PyErr_CheckSignals() < 0)
            return NULL;
        found = 0;
    }
    return event_list(events, found);
}
#endif

static PyMethodDef methods[] = {
    {"receive", (PyCFunction)(void (*)(void))receive, METH_FASTCALL, NULL},
#ifdef __linux__
    {"wait", (PyCFunction)(void (*)(void))wait_events, METH_FASTCALL, NULL},
#endif
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &sender_spec, NULL);
    int failed;

    if (type == NULL)
        return -1;
    failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    if (failed < 0)
        return -1;
    return PyModule_AddIntMacro(module, SMALL_READ);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

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
