// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a VMM does with a VFIO group, and nothing more: it tells whether a group is viable, or holds one of
// its devices open as a running VM would.
//
//   vfio-probe status N          prints "viable" or "not viable"; exit 0 for both
//   vfio-probe hold N ADDRESS    prints "holding" and holds the device until SIGTERM or end of standard input
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

int complain(const char* what, const char* thing) {
    const int error = errno;
    std::fprintf(stderr, "vfio-probe: %s %s: %s (errno %d)\n", what, thing, std::strerror(error), error);
    return exit_failed;
}

int usage() {
    std::fputs("usage: vfio-probe status N | vfio-probe hold N ADDRESS\n", stderr);
    return exit_usage;
}

int open_group(const char* number, char (&path)[64]) {
    std::snprintf(path, sizeof path, "/dev/vfio/%s", number);
    return open(path, O_RDWR | O_CLOEXEC);
}

int status(const char* number) {
    char path[64];
    const int group = open_group(number, path);
    if (group < 0)
        return complain("cannot open", path);
    vfio_group_status answer{};
    answer.argsz = sizeof answer;
    if (ioctl(group, VFIO_GROUP_GET_STATUS, &answer) < 0)
        return complain("VFIO_GROUP_GET_STATUS on", path);
    std::puts((answer.flags & VFIO_GROUP_FLAGS_VIABLE) != 0 ? "viable" : "not viable");
    return 0;
}

// SIGTERM is blocked and read as an event would be, so that there is no moment in which it could be lost.
int wait_for_the_end() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigset_t before;
    sigprocmask(SIG_BLOCK, &set, &before);
    struct sigaction action{};
    action.sa_handler = [](int) {};
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);

    std::puts("holding");
    std::fflush(stdout);
    for (;;) {
        pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
        if (ppoll(&input, 1, nullptr, &before) < 0)
            return errno == EINTR ? 0 : complain("cannot wait on", "standard input");
        char buffer[256];
        const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
        if (got == 0)
            return 0;
        if (got < 0)
            return complain("cannot read", "standard input");
    }
}

int hold(const char* number, const char* address) {
    const int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    if (container < 0)
        return complain("cannot open", "/dev/vfio/vfio");
    char path[64];
    const int group = open_group(number, path);
    if (group < 0)
        return complain("cannot open", path);
    if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0)
        return complain("VFIO_GROUP_SET_CONTAINER on", path);
    if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
        return complain("VFIO_SET_IOMMU (type1v2) for", path);
    if (ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address) < 0)
        return complain("VFIO_GROUP_GET_DEVICE_FD for", address);
    return wait_for_the_end();
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::strcmp(argv[1], "status") == 0)
        return status(argv[2]);
    if (argc == 4 && std::strcmp(argv[1], "hold") == 0)
        return hold(argv[2], argv[3]);
    return usage();
}
