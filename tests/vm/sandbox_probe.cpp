// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs in the guest, in the sandbox of a unit of ours: tries what must be closed there and what must be open,
// and says `door: open` or `door: EPERM` of each. What it would write changes nothing.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

void tell(const char* door, bool open) {
    const int code = errno;
    std::printf("%s: %s\n", door, open ? "open" : strerrorname_np(code));
}

bool opens(const char* path, int flags) {
    const int fd = open(path, flags | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/// An address of process 1, which does not tell it to whom it refuses the rest.
void* someAddress() {
    std::FILE* maps = std::fopen("/proc/1/maps", "re");
    unsigned long at = 0;
    if (maps != nullptr) {
        if (std::fscanf(maps, "%lx", &at) != 1)
            at = 0;
        std::fclose(maps);
    }
    return reinterpret_cast<void*>(at);
}

void tryMemory() {
    long word = 0;
    iovec ours{&word, sizeof word};
    iovec theirs{someAddress(), sizeof word};
    tell("memory of process 1", opens("/proc/1/mem", O_RDWR));
    tell("process_vm_readv", process_vm_readv(1, &ours, 1, &theirs, 1, 0) > 0);
    // Nothing is written: the length is 0, which a process that may is not refused.
    theirs.iov_len = 0;
    ours.iov_len = 0;
    tell("process_vm_writev", process_vm_writev(1, &ours, 1, &theirs, 1, 0) >= 0);
    const bool seized = ptrace(PTRACE_SEIZE, 1, nullptr, nullptr) == 0;
    tell("ptrace", seized);
}

void tryDescriptors() {
    const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, 1, 0));
    tell("pidfd_getfd", pidfd >= 0 && syscall(SYS_pidfd_getfd, pidfd, 0, 0) >= 0);
    struct {
        file_handle head;
        unsigned char rest[128];
    } handle{};
    handle.head.handle_bytes = 8;
    handle.head.handle_type = 1;
    const int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    tell("open_by_handle_at", open_by_handle_at(root, &handle.head, O_RDONLY) >= 0 || errno == ESTALE);
    struct stat found{};
    tell("descriptors of process 1", stat("/proc/1/fd/0", &found) == 0);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2)
        return 2;
    tell("core_pattern", opens("/proc/sys/kernel/core_pattern", O_WRONLY));
    tell("modprobe-path", opens("/proc/sys/kernel/modprobe", O_WRONLY));
    tell("sysrq-trigger", opens("/proc/sysrq-trigger", O_WRONLY));
    tell("kernel's files", opens("/sys/kernel/profiling", O_WRONLY) ||
                               opens("/sys/kernel/uevent_helper", O_WRONLY) ||
                               opens("/sys/power/state", O_WRONLY));
    tryMemory();
    tryDescriptors();
    tell("drivers of devices", opens("/sys/bus/pci/drivers_autoprobe", O_WRONLY));
    tell("disk for reading", opens(argv[1], O_RDONLY | O_EXCL | O_NONBLOCK));
    tell("disk for writing", opens(argv[1], O_WRONLY | O_NONBLOCK));
    tell("memory device", opens("/dev/mem", O_RDONLY));
    return 0;
}
