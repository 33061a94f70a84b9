// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs in the guest: node-holder own-table|first-ended NODE has the node open in a thread until a signal ends
// it, in that thread's own table of descriptors, or in a process whose first thread has ended; it says
// `open`.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace {

const char* node = nullptr;
bool ownTable = false;

void* hold(void*) {
    if ((ownTable && unshare(CLONE_FILES) != 0) || open(node, O_RDONLY | O_CLOEXEC) < 0) {
        std::perror("node-holder");
        _exit(1);
    }
    std::puts("open");
    std::fflush(stdout);
    for (;;)
        pause();
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: node-holder own-table|first-ended NODE\n");
        return 2;
    }
    node = argv[2];
    ownTable = std::strcmp(argv[1], "own-table") == 0;
    pthread_t thread{};
    if (pthread_create(&thread, nullptr, hold, nullptr) != 0)
        return 1;
    if (!ownTable)
        pthread_exit(nullptr);
    pthread_join(thread, nullptr);
    return 0;
}
