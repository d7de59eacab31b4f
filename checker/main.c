/* mailtest-check - sends a test mail through a customer's mail system and tells whether and when it arrived. */

#include "checker/check.h"

int
main(int argc, char **argv)
{
    return check_main(argc, argv);
}
