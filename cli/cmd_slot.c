/* `wyckmill slot FOLDER NUMBER`: the child process in which a worker runs tasks. Not for
 * people: it speaks with its worker on descriptor 3. */
#include "cli/cli.h"
#include "workers/runtime/slot.h"

#include <stdio.h>
#include <stdlib.h>

int cmd_slot(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "wyckmill slot: workers start slots, people start workers\n"
                              "  hint: wyckmill worker --connect ADDR\n");
        return EXIT_USAGE;
    }
    return slot_main(argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
}
