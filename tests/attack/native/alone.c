/* The same attacks outside of any server, as whoever starts it: alone REPORT-FILE NAME ARGUMENT... */
#include "attacks.h"

#include <stdio.h>
#include <string.h>

int main(int count, char **words)
{
    char line[4096] = "";
    if (count < 3)
        return 2;
    for (int i = 2; i < count; i++) {
        if (strlen(line) + strlen(words[i]) + 2 > sizeof line)
            return 2;
        strcat(line, i > 2 ? " " : "");
        strcat(line, words[i]);
    }
    attack_run(line, words[1]);
    return 0;
}
