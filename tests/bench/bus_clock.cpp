// SPDX-License-Identifier: LGPL-2.1-or-later
// Clients of the daemon, timed: on the session bus, but for `hand`, which runs in the guest.
//
//     bus-clock objects ROUNDS            GetManagedObjects; prints the nanoseconds of each, a line a round
//     bus-clock property PATH ROUNDS      the State of a group, likewise
//     bus-clock listen CLIENTS            so many connections that hear all of the daemon's signals. Prints
//                                         `ready`, then `CLIENT NANOSECONDS MEMBER PATH` for each
//                                         (CLOCK_MONOTONIC), until standard input ends; PATH is that of the
//                                         object which came or changed
//     bus-clock hand MEMBER TARGET JOBS   Bind or Release on the system bus; prints the milliseconds from the
//                                         call until so many jobs have ended
//     bus-clock lease TARGET ROUNDS       on the system bus, a target of one group: acquires it, closes the
//                                         lease once it is bound, waits until it is back; prints when it
//                                         closed each, in nanoseconds (CLOCK_MONOTONIC)
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <systemd/sd-bus.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr const char* daemonName = "org.vfiobind1";
constexpr const char* rootPath = "/org/vfiobind1";

struct CloseBus {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;

struct DropMessage {
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, DropMessage>;

int check(int result, const char* what) {
    if (result < 0)
        throw std::runtime_error(std::string(what) + ": " + std::strerror(-result));
    return result;
}

Bus open(int (*how)(sd_bus**) = sd_bus_open_user) {
    sd_bus* bus = nullptr;
    check(how(&bus), "opening the bus");
    return Bus(bus);
}

std::int64_t now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

unsigned number(std::string_view text) {
    unsigned value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{} || value == 0)
        throw std::invalid_argument("'" + std::string(text) + "' is no number above 0");
    return value;
}

/// Any answer but an error; it is not looked into.
void ask(sd_bus* bus, const char* path, const char* interface, const char* member,
         const char* first = nullptr, const char* second = nullptr) {
    sd_bus_message* call = nullptr;
    check(sd_bus_message_new_method_call(bus, &call, daemonName, path, interface, member), member);
    const Message owner(call);
    for (const char* word : {first, second})
        if (word != nullptr)
            check(sd_bus_message_append(call, "s", word), member);
    sd_bus_message* reply = nullptr;
    check(sd_bus_call(bus, call, 120'000'000, nullptr, &reply), member);
    const Message answer(reply);
}

template <typename Ask>
void clock(unsigned rounds, const Ask& call) {
    const auto bus = open();
    call(bus.get()); // what is only read when somebody asks is there from now on
    for (unsigned i = 0; i < rounds; ++i) {
        const auto began = now();
        call(bus.get());
        std::printf("%lld\n", static_cast<long long>(now() - began));
    }
}

struct Client {
    unsigned number = 0;
    Bus bus;
};

int heard(sd_bus_message* message, void* data, sd_bus_error* /*error*/) {
    const auto at = now();
    const auto& client = *static_cast<Client*>(data);
    const char* member = sd_bus_message_get_member(message);
    const char* path = sd_bus_message_get_path(message);
    // InterfacesAdded and InterfacesRemoved come from the root and name the object first.
    if (std::string_view(member).starts_with("Interfaces"))
        check(sd_bus_message_read_basic(message, 'o', &path), member);
    std::printf("%u %lld %s %s\n", client.number, static_cast<long long>(at), member, path);
    return 0;
}

void listen(unsigned count) {
    std::vector<std::unique_ptr<Client>> clients;
    const auto match = "type='signal',path_namespace='" + std::string(rootPath) + "'";
    for (unsigned i = 0; i < count; ++i) {
        clients.push_back(std::make_unique<Client>(i, open()));
        check(
            sd_bus_add_match(clients.back()->bus.get(), nullptr, match.c_str(), heard, clients.back().get()),
            "sd_bus_add_match");
    }
    std::puts("ready");
    std::fflush(stdout);
    std::vector<pollfd> polled{{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
    for (const auto& client : clients)
        polled.push_back({.fd = sd_bus_get_fd(client->bus.get()), .events = POLLIN, .revents = 0});
    while (polled.front().revents == 0) {
        for (const auto& client : clients)
            while (check(sd_bus_process(client->bus.get(), nullptr), "sd_bus_process") > 0) {
            }
        std::fflush(stdout);
        if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR)
            throw std::runtime_error("poll");
    }
}

struct Jobs {
    unsigned ended = 0;
    std::string wrong;
};

int jobEnded(sd_bus_message* message, void* data, sd_bus_error* /*error*/) {
    auto& jobs = *static_cast<Jobs*>(data);
    const char* group = "?";
    const char* result = "which cannot be read";
    sd_bus_message_read(message, "uoos", nullptr, nullptr, &group, &result);
    ++jobs.ended;
    if (std::string_view(result) != "done")
        jobs.wrong += std::string(" ") + group + " " + result;
    return 0;
}

void watchJobs(sd_bus* bus, Jobs& jobs) {
    check(sd_bus_add_match(bus, nullptr, "type='signal',sender='org.vfiobind1',member='JobRemoved'", jobEnded,
                           &jobs),
          "sd_bus_add_match");
}

/// Until so many jobs have ended in all.
void await(sd_bus* bus, const Jobs& jobs, unsigned count) {
    constexpr std::uint64_t patience = 60'000'000; // microseconds without a message
    while (jobs.ended < count)
        if (check(sd_bus_process(bus, nullptr), "sd_bus_process") == 0 &&
            check(sd_bus_wait(bus, patience), "sd_bus_wait") == 0)
            throw std::runtime_error(std::to_string(jobs.ended) + " of " + std::to_string(count) +
                                     " jobs have ended, and for a minute none");
    if (!jobs.wrong.empty())
        throw std::runtime_error("jobs that did not end as they should:" + jobs.wrong);
}

int acquire(sd_bus* bus, const char* target) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message* reply = nullptr;
    const int called = sd_bus_call_method(bus, daemonName, rootPath, "org.vfiobind1.Manager", "Acquire",
                                          &error, &reply, "sa{sv}", target, 0U);
    const std::string refusal = error.message == nullptr ? "Acquire" : error.message;
    sd_bus_error_free(&error);
    check(called, refusal.c_str());
    const Message answer(reply); // which closes its own copy of the lease
    int lease = -1;
    check(sd_bus_message_read_basic(reply, 'h', &lease), "the lease");
    return fcntl(lease, F_DUPFD_CLOEXEC, 3);
}

void lease(const char* target, unsigned rounds) {
    const auto bus = open(sd_bus_open_system);
    Jobs jobs;
    watchJobs(bus.get(), jobs);
    for (unsigned i = 0; i < rounds; ++i) {
        const int held = acquire(bus.get(), target);
        await(bus.get(), jobs, 2 * i + 1);
        const auto began = now();
        close(held);
        await(bus.get(), jobs, 2 * i + 2);
        std::printf("%lld\n", static_cast<long long>(began));
    }
}

void hand(const char* member, const char* target, unsigned count) {
    const auto bus = open(sd_bus_open_system);
    Jobs jobs;
    watchJobs(bus.get(), jobs);
    const auto began = now();
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const int called = sd_bus_call_method(bus.get(), daemonName, rootPath, "org.vfiobind1.Manager", member,
                                          &error, nullptr, "sa{sv}", target, 0U);
    const std::string refusal = error.message == nullptr ? member : error.message;
    sd_bus_error_free(&error);
    check(called, refusal.c_str());
    await(bus.get(), jobs, count);
    const auto took = now() - began;
    std::printf("%.3f\n", static_cast<double>(took) / 1e6);
}

void carryOut(const std::vector<std::string>& words) {
    if (words.size() == 2 && words[0] == "objects")
        clock(number(words[1]), [](sd_bus* bus) {
            ask(bus, rootPath, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
        });
    else if (words.size() == 3 && words[0] == "property")
        clock(number(words[2]), [&](sd_bus* bus) {
            ask(bus, words[1].c_str(), "org.freedesktop.DBus.Properties", "Get", "org.vfiobind1.Group",
                "State");
        });
    else if (words.size() == 2 && words[0] == "listen")
        listen(number(words[1]));
    else if (words.size() == 4 && words[0] == "hand")
        hand(words[1].c_str(), words[2].c_str(), number(words[3]));
    else if (words.size() == 3 && words[0] == "lease")
        lease(words[1].c_str(), number(words[2]));
    else
        throw std::invalid_argument("usage: bus-clock objects ROUNDS | property PATH ROUNDS | listen CLIENTS "
                                    "| hand MEMBER TARGET JOBS | lease TARGET ROUNDS");
}

} // namespace

int main(int argc, char** argv) {
    try {
        carryOut({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bus-clock: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
