/*
 * Wrong admin tokens: they are logged now and then, counted, and an address that sent many is
 * not listened to for a while, whatever it sends. IPv6 counts by /64.
 */
#ifndef MR_FCGI_GUESSES_H
#define MR_FCGI_GUESSES_H

#include <stdint.h>

#include "base/error.h"
#include "base/ip.h"

struct mr_guesses;

/* Or MR_ENOMEM. */
enum mr_err mr_guesses_new(struct mr_guesses **guesses, struct mr_error *err);

/* NULL is allowed. */
void mr_guesses_free(struct mr_guesses *guesses);

/* 0: this client's token may be looked at; else the seconds until then. */
int64_t mr_guesses_wait(struct mr_guesses *guesses, const struct mr_ip *client);

/* It was wrong. `how` is for the log. */
void mr_guesses_note(struct mr_guesses *guesses, const struct mr_ip *client,
    enum mr_ip_privacy how);

#endif
