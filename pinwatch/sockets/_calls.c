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
#endif

#define AT_HAND 16384 /* bytes that are read without asking for memory first */
#define MOST 256      /* events of one wait */

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
    char buffer[AT_HAND];
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
    if (most > AT_HAND)
        return receive_large(fd, most);
    got = recv(fd, buffer, most, MSG_DONTWAIT);
    if (got < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyBytes_FromStringAndSize(buffer, got);
}

static PyObject *
send_bytes(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_ssize_t sent;
    int fd;

    if (!arguments(count, 2, "send"))
        return NULL;
    if ((fd = descriptor(args[0])) < 0)
        return NULL;
    if (!PyBytes_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "bytes are sent");
        return NULL;
    }
    sent = send(fd, PyBytes_AS_STRING(args[1]), PyBytes_GET_SIZE(args[1]), MSG_DONTWAIT);
    if (sent < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromSsize_t(sent);
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
    {"send", (PyCFunction)(void (*)(void))send_bytes, METH_FASTCALL, NULL},
#ifdef __linux__
    {"wait", (PyCFunction)(void (*)(void))wait_events, METH_FASTCALL, NULL},
#endif
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    return PyModule_AddIntMacro(module, AT_HAND);
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
