// SPDX-License-Identifier: LGPL-2.1-or-later
// vfio-bind-target [--session] TARGET
//
// Says what would be done, asks for it, and waits until it is done.
#include <Manager-proxy.h>

#include <iostream>
#include <set>
#include <string>
#include <vector>

// sdbus-c++ 2 has a type of its own for names of services.
#if __has_include(<sdbus-c++/VTableItems.h>)
using ServiceName = sdbus::ServiceName;
#else
using ServiceName = std::string;
#endif

class Manager final
    : public sdbus::ProxyInterfaces<org::vfiobind1::Manager_proxy> {
public:
    explicit Manager(sdbus::IConnection& connection) :
        ProxyInterfaces(connection, ServiceName{"org.vfiobind1"},
                        sdbus::ObjectPath{"/org/vfiobind1"}),
        connection_(connection) {
        registerProxy(); // from here on JobRemoved is heard
    }
    ~Manager() { unregisterProxy(); }

    /// Whether all jobs ended well.
    bool waitFor(const std::vector<sdbus::ObjectPath>& jobs) {
        waiting_.insert(jobs.begin(), jobs.end());
        if (!waiting_.empty())
            connection_.enterEventLoop();
        return good_;
    }

private:
    void onJobRemoved(const std::uint32_t&,
                      const sdbus::ObjectPath& job,
                      const sdbus::ObjectPath& group,
                      const std::string& result) override {
        if (waiting_.erase(job) == 0)
            return; // somebody else's
        std::cout << group << ": " << result << '\n';
        good_ = good_ && result == "done";
        if (waiting_.empty())
            connection_.leaveEventLoop();
    }

    sdbus::IConnection& connection_;
    std::set<std::string> waiting_;
    bool good_ = true;
};

int main(int argc, char** argv) try {
    std::vector<std::string> words(argv + 1, argv + argc);
    const bool session = std::erase(words, "--session") > 0;
    if (words.size() != 1) {
        std::cerr << "usage: vfio-bind-target [--session] TARGET\n";
        return 2;
    }
    const auto connection = session
                                ? sdbus::createSessionBusConnection()
                                : sdbus::createSystemBusConnection();
    Manager manager(*connection);
    const auto [possible, blockers, steps] =
        manager.Check(words[0], {});
    for (const auto& blocker : blockers)
        std::cout << std::get<2>(blocker) << '\n';
    for (const auto& step : steps)
        std::cout << step << '\n';
    if (!possible)
        return 1;
    return manager.waitFor(manager.Bind(words[0], {})) ? 0 : 1;
} catch (const sdbus::Error& error) {
    std::cerr << error.getName() << ": " << error.getMessage() << '\n';
    return 1;
}
