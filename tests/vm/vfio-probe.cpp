// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a VMM does with a VFIO group, and nothing more: it tells whether a group is viable, or holds one of
// its devices open as a running VM would.
//
//   vfio-probe status N          prints "viable" or "not viable"; exit 0 for both
//   vfio-probe hold N ADDRESS    prints "holding" and holds the device until SIGTERM or end of standard input
//   vfio-probe hold-cdev NODE... the same through iommufd, by the cdevs of devices
//   vfio-probe open NODE         the same, and does nothing with what it has opened
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

// As linux/vfio.h (6.6) and linux/iommufd.h (6.2) have them: Debian 12's headers are older.
struct bind_iommufd {
    __u32 argsz, flags;
    __s32 iommufd;
    __u32 out_devid;
};
struct attach_iommufd_pt {
    __u32 argsz, flags, pt_id;
};
struct ioas_alloc {
    __u32 size, flags, out_ioas_id;
};
constexpr unsigned long device_bind_iommufd = _IO(VFIO_TYPE, VFIO_BASE + 18);
constexpr unsigned long device_attach_iommufd_pt = _IO(VFIO_TYPE, VFIO_BASE + 19);
constexpr unsigned long iommu_ioas_alloc = _IO(VFIO_TYPE, 0x81);

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

int complain(const char* what, const char* thing) {
    const int error = errno;
    std::fprintf(stderr, "vfio-probe: %s %s: %s (errno %d)\n", what, thing, std::strerror(error), error);
    return exit_failed;
}

int usage() {
    std::fputs("usage: vfio-probe status N | vfio-probe hold N ADDRESS | vfio-probe hold-cdev NODE... | "
               "vfio-probe open NODE\n",
               stderr);
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

int hold_cdevs(char** nodes) {
    const int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
    if (iommufd < 0)
        return complain("cannot open", "/dev/iommu");
    ioas_alloc space{.size = sizeof space, .flags = 0, .out_ioas_id = 0};
    if (ioctl(iommufd, iommu_ioas_alloc, &space) < 0)
        return complain("IOMMU_IOAS_ALLOC on", "/dev/iommu");
    for (; *nodes != nullptr; ++nodes) {
        const int device = open(*nodes, O_RDWR | O_CLOEXEC);
        if (device < 0)
            return complain("cannot open", *nodes);
        bind_iommufd bind{.argsz = sizeof bind, .flags = 0, .iommufd = iommufd, .out_devid = 0};
        if (ioctl(device, device_bind_iommufd, &bind) < 0)
            return complain("VFIO_DEVICE_BIND_IOMMUFD on", *nodes);
        attach_iommufd_pt attach{.argsz = sizeof attach, .flags = 0, .pt_id = space.out_ioas_id};
        if (ioctl(device, device_attach_iommufd_pt, &attach) < 0)
            return complain("VFIO_DEVICE_ATTACH_IOMMUFD_PT on", *nodes);
    }
    return wait_for_the_end();
}

int hold_open(const char* node) {
    return open(node, O_RDWR | O_CLOEXEC) < 0 ? complain("cannot open", node) : wait_for_the_end();
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::strcmp(argv[1], "status") == 0)
        return status(argv[2]);
    if (argc == 4 && std::strcmp(argv[1], "hold") == 0)
        return hold(argv[2], argv[3]);
    if (argc == 3 && std::strcmp(argv[1], "open") == 0)
        return hold_open(argv[2]);
    if (argc > 2 && std::strcmp(argv[1], "hold-cdev") == 0)
        return hold_cdevs(argv + 2);
    return usage();
}
