/*
 * What a process asks the system for, for all of its threads.
 */
#ifndef MR_BASE_PROCESS_H
#define MR_BASE_PROCESS_H

/*
 * Threads that are woken do not interrupt those that run, here or in other processes: more
 * gathers before each is served. Where the system refuses, all goes on as usual. Before any
 * thread is started, since they inherit it.
 */
void mr_process_be_patient(void);

/*
 * Whatever this process starts from now on has no more privileges than it has itself: neither
 * a set-user-ID bit nor sudo counts. Before any thread is started.
 */
void mr_process_gain_nothing(void);

#endif
