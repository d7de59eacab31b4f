/*
 * own_program - preloaded where the service runs under valgrind: there "/proc/self/exe", by which the supervisor starts the roles, is valgrind
 * itself. The environment names the program instead (OWN_PROGRAM).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
execv(const char *path, char *const argv[])
{
    const char *own = getenv("OWN_PROGRAM");

    return execve(own != NULL && strcmp(path, "/proc/self/exe") == 0 ? own : path, argv, environ);
}
