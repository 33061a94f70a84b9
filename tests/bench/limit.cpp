// SPDX-License-Identifier: LGPL-2.1-or-later
// The least that can be done: the kernel writes that hand functions over, or give them back, a thread each,
// and nothing else. It looks at no guard, keeps no journal and believes what the kernel answers.
//
//     limit bind ADDRESS...              to vfio-pci
//     limit release ADDRESS=DRIVER...    to the driver named
//
// Prints how many functions took all their writes, and the milliseconds from the first write to the last.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <string_view>
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

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() < 2 || (words[0] != "bind" && words[0] != "release")) {
        std::fputs("usage: limit bind ADDRESS... | limit release ADDRESS=DRIVER...\n", stderr);
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
