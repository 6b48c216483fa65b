/* Taking campaigns up: those that clients submit, those that the store has when the broker
 * starts, and those to be planned once more. Some of the sources are looked for at a time, so
 * that nobody waits for a large one. See shell.h. */
#include "broker/shell.h"

#include "common/mem.h"
#include "common/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUBMISSIONS_MAX = 16, /* of clients, not answered yet */
    CHECKED_PER_ROUND = 512,
};

static const char ref_prefix[] = "campaigns/";

struct submission {
    struct hash id;
    uint8_t peer[PEER_ID_SIZE_MAX]; /* the client that waits; size 0: the store has it */
    size_t peer_size;
    struct buf bytes;
    struct campaign campaign;
    bool read, begun;
    uint32_t checked, missing;
};

/* First in, first out. */
struct submissions {
    struct submission *items;
    size_t n, capacity, n_clients;
};

struct submissions *submissions_new(void)
{
    return mem_new(1, sizeof(struct submissions));
}

static void submission_done(struct submission *submission)
{
    campaign_done(&submission->campaign);
    buf_done(&submission->bytes);
}

void submissions_free(struct submissions *submissions)
{
    if (!submissions)
        return;
    for (size_t i = 0; i < submissions->n; i++)
        submission_done(&submissions->items[i]);
    free(submissions->items);
    free(submissions);
}

static struct submission *append(struct submissions *submissions, const struct hash *id)
{
    mem_reserve(submissions->items, submissions->capacity, submissions->n + 1);
    struct submission *submission = &submissions->items[submissions->n++];
    *submission = (struct submission){.id = *id};
    return submission;
}

static void answer(struct shell *shell, struct span peer, const struct hash *id,
                   const char *problem)
{
    struct message message = {.type = MESSAGE_TYPE_submitted, .submitted = {.campaign = *id}};
    message_text_set(&message.submitted.problem, problem);
    outbox_put(shell->control_out, peer, &message);
    shell->submitted = shell->submitted || !problem[0];
}

/* The first one is over. */
static void end_first(struct shell *shell, const char *problem)
{
    struct submissions *submissions = shell->submissions;
    struct submission *first = &submissions->items[0];
    if (first->peer_size) {
        answer(shell, (struct span){first->peer, first->peer_size}, &first->id, problem);
        submissions->n_clients--;
    } else if (problem[0]) {
        shell_log(shell, LOG_TROUBLE, "a campaign of the store is left: %s", problem);
    }
    submission_done(first);
    memmove(first, first + 1, --submissions->n * sizeof *first);
}

/* ---- steps ---- */

static int read_campaign(struct shell *shell, struct submission *submission, struct err *err)
{
    int rc = 0;
    if (submission->peer_size)
        submission->id = hash_bytes(buf_span(&submission->bytes));
    else
        rc = store_get(shell->store, &submission->id, &submission->bytes, err);
    if (rc == 0)
        rc = campaign_decode(buf_span(&submission->bytes), &submission->campaign, err);
    submission->read = rc == 0;
    return rc == 0 ? campaign_check(&submission->campaign, err) : rc;
}

static int check_some(struct shell *shell, struct submission *submission, struct err *err)
{
    const struct campaign *campaign = &submission->campaign;
    for (int i = 0; i < CHECKED_PER_ROUND && submission->checked < campaign->n_sources; i++)
        submission->missing +=
            !store_has(shell->store, &campaign->sources[submission->checked++]);
    if (submission->checked == campaign->n_sources && submission->missing &&
        !MUTANT(SOURCES_UNCHECKED))
        return err_set(err, ERR_NOT_FOUND,
                       "campaign '%s': %u of its %u source objects are not in the store",
                       campaign->name, submission->missing, campaign->n_sources);
    return 0;
}

static void put_campaign(struct shell *shell, const char *name, struct span bytes)
{
    char ref[STORE_REF_NAME_SIZE];
    struct hash id;
    struct err err;
    (void)snprintf(ref, sizeof ref, "%s%s", ref_prefix, name);
    int rc = store_put(shell->store, "campaign", bytes, &id, &err);
    if (rc == 0)
        rc = store_put_ref(shell->store, ref, &id, &err);
    if (rc)
        shell_store_failed(shell, &err);
}

/* It runs already: all that its client wants. A paused one goes on. */
static bool is_here(struct shell *shell, const char *name, const struct hash *id)
{
    struct campaign_run *run = campaigns_find(shell, name);
    if (!run || run->over || !hash_equal(&run->id, id))
        return false;
    (void)wills_change(shell, run, WILL_RUN);
    return true;
}

/* Is it still the campaign of its name? Another one may have come while this one waited. */
static bool is_current(const struct shell *shell, const char *name, const struct hash *id)
{
    char ref[STORE_REF_NAME_SIZE];
    struct hash found;
    (void)snprintf(ref, sizeof ref, "%s%s", ref_prefix, name);
    return store_get_ref(shell->store, ref, &found, NULL) == 0 && hash_equal(&found, id);
}

static int begin(struct shell *shell, struct submission *submission, struct err *err)
{
    const struct campaign *campaign = &submission->campaign;
    const struct hash *id = &submission->id;
    bool submitted = submission->peer_size > 0;
    submission->begun = true;
    if (submitted ? is_here(shell, campaign->name, id) : !is_current(shell, campaign->name, id))
        return 0;
    int rc = campaigns_begin(shell, campaign, id,
                             submitted ? WILL_RUN : wills_load(shell, campaign->name, id), err);
    gc_restart(shell);
    if (rc || !submitted)
        return rc;
    const struct campaign_run *run = campaigns_find(shell, campaign->name);
    put_campaign(shell, campaign->name, buf_span(&submission->bytes));
    wills_store(shell, run);
    record_campaign(shell, "submitted", run);
    shell->dirty = !MUTANT(SUBMIT_BEFORE_SYNC);
    shell_log(shell, LOG_NEWS, "campaign '%s' submitted", campaign->name);
    return 0;
}

/* What is to be done next of the first one; the large pieces fill a round. */
static int step(struct shell *shell, struct submission *first, struct err *err)
{
    if (first->read && first->checked < first->campaign.n_sources)
        return check_some(shell, first, err);
    shell->round.full = true;
    return first->read ? begin(shell, first, err) : read_campaign(shell, first, err);
}

bool submit_step(struct shell *shell)
{
    struct submissions *submissions = shell->submissions;
    struct submission *first = submissions->items;
    struct err err = {0};
    if (submissions->n == 0)
        return false;
    if (step(shell, first, &err) || first->begun)
        end_first(shell, err.text);
    return submissions->n > 0;
}

bool submit_pending(const struct shell *shell)
{
    return shell->submissions->n > 0;
}

/* ---- who asks ---- */

void submit_ask(struct shell *shell, struct span peer, struct span bytes)
{
    static const struct hash none;
    struct submissions *submissions = shell->submissions;
    if (submissions->n_clients == SUBMISSIONS_MAX) {
        struct err err;
        (void)err_set(&err, ERR_BUSY, "%d campaigns are being taken up, try again in a moment",
                      SUBMISSIONS_MAX);
        answer(shell, peer, &none, err.text);
        return;
    }
    struct submission *submission = append(submissions, &none);
    memcpy(submission->peer, peer.data, peer.size);
    submission->peer_size = peer.size;
    buf_append(&submission->bytes, bytes.data, bytes.size);
    submissions->n_clients++;
}

void submit_again(struct shell *shell, const struct hash *id)
{
    (void)append(shell->submissions, id);
}

static int load_ref(void *context, const char *name, const struct hash *id)
{
    (void)name;
    submit_again(context, id);
    return 0;
}

int submit_load(struct shell *shell, struct err *err)
{
    int rc = store_each_ref(shell->store, ref_prefix, load_ref, shell, err);
    while (rc == 0 && submit_step(shell))
        ;
    return rc;
}
