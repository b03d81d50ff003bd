/* What the test programs expect with: the first expectation that is not met ends the program with its line. */
#ifndef EXPECT_H
#define EXPECT_H

#include <foretaste.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(what)                                                                                     \
    do {                                                                                                 \
        if (!(what)) {                                                                                   \
            fprintf(stderr, "line %d: %s (last error: %s)\n", __LINE__, #what, ft_last_error());         \
            exit(1);                                                                                     \
        }                                                                                                \
    } while (0)
#define OK(call) EXPECT((call) == FT_STATUS_OK)
#define FAILS(status, call) EXPECT((call) == (status) && ft_last_error()[0] != 0)
#define SAYS(word) EXPECT(strstr(ft_last_error(), word) != NULL)
#define BAD FT_STATUS_BAD_ARGUMENT

/* A struct of zeros that begins with its size. */
#define SIZED(type, name)                                                                                \
    type name;                                                                                           \
    memset(&name, 0, sizeof name);                                                                       \
    name.size = sizeof name

/* Gives a stage to a search, and frees it. */
static inline void refine(ft_search *search, ft_rerank *rerank) {
    OK(ft_search_rerank(search, rerank));
    ft_rerank_free(rerank);
}

#endif
