// SPDX-License-Identifier: LGPL-2.1-or-later
// vfio-bind-watch: keeps loaded native drivers off devices that are plugged in. The daemon and
// vfio-bind-early write its rules to overrides.json in /run/vfio-bind.
#include "rules/rule_files.h"
#include "sysfs/real_sysfs.h"
#include "version.h"
#include "watch/watch.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <stdexcept>
#include <string_view>
#include <sys/inotify.h>
#include <system_error>
#include <unistd.h>

namespace {

using namespace vfiobind;

/// Reads the file of rules. A file that is not valid leaves the rules as they are.
void read(watch::Watch& watch) {
    const auto path = fmt::format("{}/{}", overridesDirectory, overridesFile);
    const auto text = RealSysfs().read(path, 16 << 20);
    if (!text && text.error().code == ENOENT)
        return watch.follow({});
    auto rules = text ? overridesFromJson(*text) : std::unexpected(text.error().str());
    if (rules)
        watch.follow(std::move(*rules));
    else
        fmt::print(stderr, "{} is not taken over: {}\n", path, rules.error());
}

/// Whether one of the events is about the file.
bool concernsUs(int fd) {
    alignas(inotify_event) std::array<char, 16384> buffer{};
    const auto n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR)
        return false;
    if (n <= 0)
        throw std::system_error(errno, std::generic_category(), "read of inotify's events");
    bool found = false;
    for (std::size_t at = 0; at < static_cast<std::size_t>(n);) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        if ((event->mask & IN_IGNORED) != 0) // the directory is gone: systemd makes it anew
            throw std::runtime_error(fmt::format("{} has been removed", overridesDirectory));
        found |= (event->mask & IN_Q_OVERFLOW) != 0 || (event->len > 0 && event->name == overridesFile);
        at += sizeof(inotify_event) + event->len;
    }
    return found;
}

[[noreturn]] void run() {
    RealSysfs sysfs;
    watch::Watch watch(sysfs);
    const int fd = inotify_init1(IN_CLOEXEC);
    const std::string directory(overridesDirectory);
    if (fd < 0 || inotify_add_watch(fd, directory.c_str(), IN_MOVED_TO | IN_DELETE) < 0)
        throw std::system_error(errno, std::generic_category(), "watching " + directory);
    read(watch);
    for (;;)
        if (concernsUs(fd))
            read(watch);
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "--version") {
        fmt::print("vfio-bind-watch " VFIO_BIND_VERSION "\n");
        return EXIT_SUCCESS;
    }
    if (argc != 1) {
        fmt::print(stderr, "vfio-bind-watch: it takes no arguments but --version; see vfio-bind-watch(8)\n");
        return 2;
    }
    try {
        run();
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        return EXIT_FAILURE;
    }
}
