/* mailtest-find - looks for tokens in mails on disk, as the service does in those that it receives. */

#include "find/find.h"

int
main(int argc, char **argv)
{
    return find_main(argc, argv);
}
