// SPDX-License-Identifier: LGPL-2.1-or-later
// The least that can be done: the kernel writes that hand functions over, or give them back, a thread each,
// and nothing else. It looks at no guard, keeps no journal and believes what the kernel answers.
//
//     limit bind ADDRESS...              to vfio-pci
//     limit release ADDRESS=DRIVER...    to the driver named
//     limit lease ADDRESS=DRIVER ROUNDS  binds the function and closes a socket, whose other end a
//                                        process watches that then gives it back; prints when it closed
//                                        each, in nanoseconds (CLOCK_MONOTONIC)
//
// Prints how many functions took all their writes, and the milliseconds from the first write to the last.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

const std::string devices = "/sys/bus/pci/devices/";
const std::string drivers = "/sys/bus/pci/drivers/";

bool put(const std::string& path, std::string_view text) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(fd);
    return written;
}

/// A function without a driver has nothing to be taken from.
bool unbind(const std::string& address) {
    const auto file = devices + address + "/driver/unbind";
    return access(file.c_str(), F_OK) != 0 || put(file, address);
}

bool bind(const std::string& address) {
    return put(devices + address + "/driver_override", "vfio-pci") && unbind(address) &&
           put(drivers + "vfio-pci/bind", address);
}

bool release(const std::string& address, const std::string& driver) {
    return unbind(address) && put(devices + address + "/driver_override", "\n") &&
           put(drivers + driver + "/bind", address);
}

/// Gives a function back when the other end is closed. Says when it is about to wait for that.
pid_t watch(int end, int other, const std::string& address, const std::string& driver) {
    const pid_t watcher = fork();
    if (watcher != 0)
        return watcher;
    close(other);
    pollfd closed{.fd = end, .events = POLLIN, .revents = 0};
    const bool ended =
        write(end, "r", 1) == 1 && poll(&closed, 1, -1) == 1 && (closed.revents & POLLHUP) != 0;
    _exit(ended && release(address, driver) ? EXIT_SUCCESS : EXIT_FAILURE);
}

bool lease(const std::string& address, const std::string& driver, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        std::array<int, 2> ends{};
        if (!bind(address) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
            return false;
        const pid_t watcher = watch(ends[0], ends[1], address, driver);
        close(ends[0]);
        char ready = 0;
        if (watcher < 0 || read(ends[1], &ready, 1) != 1)
            return false;
        timespec time{};
        clock_gettime(CLOCK_MONOTONIC, &time);
        close(ends[1]);
        int status = EXIT_FAILURE;
        if (waitpid(watcher, &status, 0) != watcher || status != 0)
            return false;
        std::printf("%lld\n", static_cast<long long>(time.tv_sec) * 1'000'000'000 + time.tv_nsec);
    }
    return true;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 3 && words[0] == "lease") {
        const auto equals = words[1].find('=');
        const bool given = equals != std::string::npos;
        return given && lease(words[1].substr(0, equals), words[1].substr(equals + 1),
                              std::atoi(words[2].c_str()))
                   ? EXIT_SUCCESS
                   : EXIT_FAILURE;
    }
    if (words.size() < 2 || (words[0] != "bind" && words[0] != "release")) {
        std::fputs("usage: limit bind ADDRESS... | limit release ADDRESS=DRIVER... | limit lease "
                   "ADDRESS=DRIVER ROUNDS\n",
                   stderr);
        return EXIT_FAILURE;
    }
    const auto began = std::chrono::steady_clock::now();
    std::vector<char> done(words.size(), 0);
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < words.size(); ++i)
        threads.emplace_back([&, i] {
            const auto equals = words[i].find('=');
            const auto address = words[i].substr(0, equals);
            const bool binds = words[0] == "bind";
            done[i] = binds                         ? bind(address)
                      : equals == std::string::npos ? false
                                                    : release(address, words[i].substr(equals + 1));
        });
    for (auto& thread : threads)
        thread.join();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    long count = 0;
    for (const char one : done)
        count += one;
    std::printf("%ld %.3f\n", count, took.count());
    return count == static_cast<long>(words.size()) - 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
