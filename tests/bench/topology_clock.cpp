// SPDX-License-Identifier: LGPL-2.1-or-later
// How long the reading of a machine takes, against a bare loop over the same files.
//
//     topology-clock ROOT ROUNDS      in turns; prints {"functions": N, "ours": [NS...], "bare": [NS...]}
//     topology-clock ROOT ours|bare   once, for those who count system calls
#include "sysfs/real_sysfs.h"
#include "topology/topology.h"

#include <array>
#include <charconv>
#include <climits>
#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <stdexcept>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using namespace vfiobind;

/// The names in a directory, one call of `each` a name.
void bareList(const char* path, const std::function<void(const char*)>& each) {
    DIR* directory = opendir(path);
    if (directory == nullptr)
        throw std::runtime_error(fmt::format("{} cannot be listed", path));
    while (const dirent* entry = readdir(directory))
        if (entry->d_name[0] != '.')
            each(entry->d_name);
    closedir(directory);
}

/// What one function's files are asked for, and nothing is made of the answers.
void bareFunction(const char* devices, const char* name) {
    std::array<char, PATH_MAX> path{};
    std::array<char, PATH_MAX> answer{};
    const auto file = [&](const char* leaf) {
        std::snprintf(path.data(), path.size(), "%s/%s%s", devices, name, leaf);
        return path.data();
    };
    const int fd = open(file("/modalias"), O_RDONLY | O_CLOEXEC);
    const auto got = fd < 0 ? -1 : read(fd, answer.data(), 256);
    if (got <= 0)
        throw std::runtime_error(fmt::format("{} cannot be read", path.data()));
    close(fd);
    const std::string_view modalias(answer.data(), static_cast<std::size_t>(got));
    const bool bridge = modalias.find("bc06") != std::string_view::npos;
    if (readlink(file(""), answer.data(), answer.size()) < 0)
        throw std::runtime_error(fmt::format("{} is no link", path.data()));
    // That some of these are not there is an answer too.
    (void)!readlink(file("/iommu_group"), answer.data(), answer.size());
    struct stat unused{};
    if (bridge && lstat(file("/secondary_bus_number"), &unused) == 0)
        return;
    (void)!readlink(file("/physfn"), answer.data(), answer.size());
}

std::size_t bare(const std::string& root) {
    const auto drivers = root + "/sys/bus/pci/drivers";
    bareList(drivers.c_str(),
             [&](const char* driver) { bareList((drivers + '/' + driver).c_str(), [](const char*) {}); });
    std::size_t count = 0;
    const auto devices = root + "/sys/bus/pci/devices";
    bareList(devices.c_str(), [&](const char* name) {
        bareFunction(devices.c_str(), name);
        ++count;
    });
    return count;
}

std::size_t ours(const std::string& root) {
    const RealSysfs sysfs(root);
    const auto topology = Topology::read(sysfs);
    if (!topology)
        throw std::runtime_error(topology.error().str());
    return topology->devices().size();
}

/// Of the processor: files in memory wait for nothing, and what else the machine does is left out.
long long now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

long long nanoseconds(const std::function<std::size_t()>& read, std::size_t functions) {
    const auto began = now();
    if (const auto found = read(); found != functions)
        throw std::runtime_error(fmt::format("{} functions were read, not {}", found, functions));
    return now() - began;
}

void inTurns(const std::string& root, unsigned rounds) {
    const auto functions = bare(root);
    std::vector<long long> oursTook;
    std::vector<long long> bareTook;
    for (unsigned i = 0; i < rounds; ++i) {
        bareTook.push_back(nanoseconds([&] { return bare(root); }, functions));
        oursTook.push_back(nanoseconds([&] { return ours(root); }, functions));
    }
    fmt::print("{{\"functions\": {}, \"ours\": [{}], \"bare\": [{}]}}\n", functions,
               fmt::join(oursTook, ", "), fmt::join(bareTook, ", "));
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 3 ? argv[2] : "";
    unsigned rounds = 0;
    const bool number = std::from_chars(what.data(), what.data() + what.size(), rounds).ec == std::errc{};
    try {
        if (what == "ours")
            ours(argv[1]);
        else if (what == "bare")
            bare(argv[1]);
        else if (number && rounds > 0)
            inTurns(argv[1], rounds);
        else
            throw std::runtime_error("usage: topology-clock ROOT ROUNDS|ours|bare");
    } catch (const std::exception& error) {
        fmt::print(stderr, "topology-clock: {}\n", error.what());
        return EXIT_FAILURE;
    }
}
