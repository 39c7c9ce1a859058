#ifndef PVC_GUARD_LOG_H
#define PVC_GUARD_LOG_H

/* Priorities as journald reads them at the begin of a line. */
#define LOG_CRITICAL "<2>"
#define LOG_WARNING "<4>"
#define LOG_INFO "<6>"

/* One line on standard error, which never blocks: a full pipe loses the line, not the guard's time. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

#endif
