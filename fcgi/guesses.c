/* Wrong tokens: see guesses.h. The table is the only state, and has its own lock. */
#include "guesses.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/rates.h"
#include "base/seldom.h"
#include "counters/stats.h"
#include "secret/secret.h"

/* So many at once, and one more every few seconds. */
#define AT_ONCE 20
#define EVERY_US (6 * MR_US_PER_S)
/* Addresses that guess at a time. */
#define ADDRESSES 1024

struct mr_guesses {
	unsigned char key[MR_SHORT_HASH_KEY_BYTES];
	struct mr_rates *rates;
};

enum mr_err
mr_guesses_new(struct mr_guesses **guesses, struct mr_error *err)
{
	struct mr_guesses *g = calloc(1, sizeof *g);

	*guesses = NULL;
	if (g == NULL || (g->rates = mr_rates_new(ADDRESSES)) == NULL) {
		free(g);
		return mr_fail(err, MR_ENOMEM, "no memory to remember wrong tokens");
	}
	mr_secret_random(g->key, sizeof g->key);
	*guesses = g;
	return MR_OK;
}

void
mr_guesses_free(struct mr_guesses *guesses)
{
	if (guesses != NULL)
		mr_rates_free(guesses->rates);
	free(guesses);
}

int64_t
mr_guesses_wait(struct mr_guesses *g, const struct mr_ip *client)
{
	int64_t wait = mr_rates_ask(g->rates, mr_secret_short_hash(g->key, mr_ip_owner(client)),
	    EVERY_US, AT_ONCE * EVERY_US, mr_clock_mono_us());

	if (wait == 0)
		return 0;
	mr_stat_add(MR_STAT_TOKENS_UNHEARD, 1);
	return mr_rates_seconds(wait);
}

void
mr_guesses_note(struct mr_guesses *g, const struct mr_ip *client, enum mr_ip_privacy how)
{
	static struct mr_seldom wrong = MR_SELDOM("wrong admin tokens", 60);
	char text[MR_IP_TEXT] = "an address that is not kept";
	struct mr_ip shown = *client;

	mr_ip_anonymize(&shown, how);
	if (shown.family != 0)
		mr_ip_format(&shown, text);
	(void)mr_rates_take(g->rates, mr_secret_short_hash(g->key, mr_ip_owner(client)), EVERY_US,
	    AT_ONCE * EVERY_US, mr_clock_mono_us());
	mr_stat_add(MR_STAT_TOKENS_WRONG, 1);
	mr_seldom_log(&wrong, MR_LOG_WARNING, "a wrong admin token from %s", text);
}
