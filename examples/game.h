/* SPDX-License-Identifier: MIT */
/*
 * The game's messages, as its server, its bots and its page (web/apps/game/world.js) have them: binary, little-endian,
 * every field where its size wants it.
 *
 * The arena is a torus of 65536 units each way, so a place is two numbers of 16 bits that wrap round by themselves. All
 * that moves is moved in whole numbers: who computes the same comes to the same.
 */
#ifndef EXAMPLES_GAME_H
#define EXAMPLES_GAME_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TICKS_PER_S = 30,
    SHIPS = 1024, GEMS = 512, BOLTS = 4096,
    FIRST_GEM = SHIPS, FIRST_BOLT = FIRST_GEM + GEMS, THINGS = FIRST_BOLT + BOLTS, /* by their numbers */
    SEEN_MOST = 160, /* things in one STATE */
    NAME = 16, TOKEN = 16, TOP = 8
};

/* JOIN is a player's first message. Then INPUT comes for each step of 1/30 s, numbered without a gap. WATCH, a byte
 * alone, is of somebody who does not play: he gets STATE as the best player has it. */
enum from_player { JOIN = 1, INPUT = 2, WATCH = 3 };
/* WELCOME answers JOIN; STATE comes each tick, unless the player is behind; SCORES each second. */
enum to_player { WELCOME = 1, STATE = 2, SCORES = 3 };

struct join {
    uint8_t kind;
    uint8_t token[TOKEN]; /* of the player that it was; 0: a new one */
    uint8_t name[NAME];   /* filled up with zeros */
};

struct input {
    uint8_t kind, fires;
    int8_t right, down; /* where to, at most 127 long */
    uint32_t number;
    uint32_t seen;      /* the tick of the last STATE that came */
};

struct welcome {
    uint8_t kind, resumed;
    uint16_t id;
    uint32_t number;    /* of the last input that was taken */
    uint8_t token[TOKEN];
};

/* A ship, gem or bolt, told apart by its number, and where it points, at most 127 long. */
struct seen {
    uint16_t id, x, y;
    int8_t right, down;
};

struct name {
    uint16_t id;
    uint8_t text[NAME];
};

/* The player's own ship after input `number`. Behind it what is in sight (struct seen), then the names of ships that
 * were not in sight before (struct name). */
struct state {
    uint8_t kind, names;
    uint16_t things;
    uint32_t tick, number;
    uint16_t x, y;
    int16_t vx, vy;
    uint16_t points, unused;
};

struct score {
    uint16_t id, points;
    uint8_t name[NAME];
};

struct scores {
    uint8_t kind, lines;
    uint16_t players;
    uint32_t late_us; /* 99 of 100 ticks began within this after their time */
    struct score line[TOP];
};

_Static_assert(sizeof(struct join) == 33 && sizeof(struct input) == 12 && sizeof(struct welcome) == 24 &&
                   sizeof(struct seen) == 8 && sizeof(struct name) == 18 && sizeof(struct score) == 20 &&
                   sizeof(struct state) == 24 && offsetof(struct scores, line) == 8,
               "the wire has no holes");

#endif
