// SPDX-License-Identifier: LGPL-2.1-or-later
// Calls, events, deaths of workers and failing writes in a random order. Every call is to be answered once,
// no group forgotten, and what the daemon says is to be what the kernel has, at every quiet moment.
#include "core.h"
#include "fake/fake_lease_store.h"
#include "fake/machine.h"
#include "fake_modules.h"
#include "fake_uevents.h"
#include "inline_executor.h"
#include "loop_sysfs.h"
#include "show/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <ranges>
#include <set>
#include <spdlog/spdlog.h>
#include <systemd/sd-event.h>

namespace vfiobind::random_driver_test {
namespace {

using namespace fakemachine;

const std::string second = "0000:03:00.0"; ///< plugged and unplugged, group 9

/// What is told of jobs: each that begins ends once.
class Jobs final : public JobListener {
public:
    void jobAdded(const JobView& job) override {
        EXPECT_TRUE(running.insert(job.id).second) << "job " << job.id << " begins twice";
    }
    void jobRemoved(const JobView& job, const std::string&) override {
        EXPECT_EQ(running.erase(job.id), 1U) << "job " << job.id << " ends, and has not begun";
        ++ended;
    }
    void answering() override {}

    std::set<std::uint32_t> running;
    unsigned ended = 0;
};

class RandomDriver {
public:
    explicit RandomDriver(unsigned seed) :
        random_(seed), folder_(makeFolder()), kernel_(machine()), sysfs_(kernel_),
        executor_(loop_, kernel_, folder_ + "/state"), modules_(loop_, kernel_),
        uevents_(loop_, kernel_, [this]() -> Core& { return *core_; }) {
        kernel_.addRootPort("0000:00:03.0", 8);
        configure();
        begin();
    }
    RandomDriver(const RandomDriver&) = delete;
    RandomDriver& operator=(const RandomDriver&) = delete;
    ~RandomDriver() {
        core_.reset();
        std::filesystem::remove_all(folder_);
    }

    void step() {
        switch (pick(22)) {
        case 0:
        case 1:
        case 2:
            return change(Action::bind);
        case 3:
        case 4:
            return change(Action::release);
        case 5:
        case 6:
            return check();
        case 7:
            return plug();
        case 8:
            return interfere();
        case 9:
            configure();
            (void)core_->reload();
            return;
        case 10:
            return core_->rescan();
        case 11:
            kernel_.failAt(pick(8), Fault::error(pick(2) == 0 ? EIO : ENODEV));
            return;
        case 12:
            kernel_.failAt(pick(8), pick(2) == 0 ? Fault::killBefore() : Fault::killAfter());
            return;
        case 13:
            if (!kernel_.anythingHangs())
                kernel_.failAt(pick(8), Fault::hang());
            return;
        case 14:
            kernel_.finishHang();
            return executor_.look();
        case 15:
            executor_.dyingWorkers = pick(5);
            return;
        case 16:
            executor_.noProcesses = pick(3) == 0;
            return;
        case 17:
            return restart();
        case 19:
            return acquire();
        case 20:
            if (!leases_.empty())
                leases_.erase(std::next(leases_.begin(), pick(static_cast<unsigned>(leases_.size()))));
            return;
        case 18:
            return core_->deviceEvent(*Address::parse(anyDevice()), EventOrigin::udev);
        default:
            return turn(pick(20));
        }
    }

    void turn(unsigned times) {
        for (; times > 0; --times)
            ASSERT_GE(sd_event_run(loop_.raw(), 0), 0);
    }

    /// Until nothing is left to do but what waits for the kernel or for time to pass. Checks are waited for:
    /// the looks for them rest in between, and they do not begin beside a change for a while.
    void comeToRest() {
        constexpr unsigned mostWaits = 20;
        constexpr std::uint64_t longest = 3'000'000; // microseconds
        unsigned waits = 0;
        for (unsigned turns = 0; turns < 20000; ++turns) {
            turn(1);
            if (!executor_.idle() || !uevents_.idle() || !modules_.idle() || sd_event_run(loop_.raw(), 0) > 0)
                continue;
            if (kernel_.anythingHangs() || waits++ == mostWaits ||
                std::ranges::none_of(answers_, [](const auto& call) { return call.second == 0; }))
                return;
            ASSERT_GE(sd_event_run(loop_.raw(), longest), 0);
        }
        FAIL() << "there is always something more to do";
    }

    void expectTruth() {
        for (const auto& [address, device] : core_->topology().devices()) {
            ASSERT_TRUE(kernel_.present(address.str())) << address.str();
            if (!kernel_.anythingHangs()) {
                EXPECT_EQ(device.driver, kernel_.driverOf(address.str())) << address.str();
            }
        }
        for (const auto& number : core_->topology().groups() | std::views::keys)
            expectTruth(number);
        EXPECT_THAT(sysfs_.violations(), testing::IsEmpty());
        if (kernel_.anythingHangs())
            return;
        EXPECT_THAT(core_->jobs(), testing::IsEmpty());
        EXPECT_THAT(jobs_.running, testing::IsEmpty());
        for (const auto& [call, answers] : answers_)
            EXPECT_EQ(answers, 1U) << "call " << call;
        answers_.clear();
    }

    /// Faults have passed, and root asks for the configuration to be read: each group that is wanted is
    /// bound, or it is said why not.
    void expectNobodyIsForgotten() {
        kernel_.clearFaults();
        executor_.noProcesses = false;
        executor_.dyingWorkers = 0;
        kernel_.finishHang();
        executor_.look();
        comeToRest();
        (void)core_->reload();
        comeToRest();
        expectTruth();
        for (const auto& number : core_->topology().groups() | std::views::keys) {
            const auto wanted = core_->intent().wanted(number);
            if (!wanted || wanted->action != Action::bind || core_->topology().endpoints(number).empty())
                continue;
            const auto view = groupView(*core_, number);
            EXPECT_TRUE(view.state == "bound" || !view.blockers.empty() || !view.lastError.empty())
                << "group " << number << " is " << view.state << ", and nobody says why";
        }
    }

    unsigned jobs() const { return jobs_.ended; }

private:
    static std::string makeFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "vfio-bind-random-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr)
            throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
        return name;
    }

    unsigned pick(unsigned below) { return std::uniform_int_distribution<unsigned>(0, below - 1)(random_); }

    std::string anyDevice() {
        const std::array all{gpu, audio, nic, second};
        return all.at(pick(all.size()));
    }

    void begin() {
        core_.emplace(
            loop_, sysfs_, executor_, modules_, store_,
            Core::Files{.config = folder_ + "/vfio-bind.toml", .stateDirectory = folder_ + "/state"});
        core_->start();
        core_->listen(jobs_);
        for (const auto* job : core_->jobs())
            jobs_.jobAdded(*job);
    }

    /// As by `kill -9`: calls that have no answer yet get none.
    void restart() {
        core_.reset();
        jobs_.running.clear();
        std::erase_if(answers_, [](const auto& entry) { return entry.second == 0; });
        uevents_.forget();
        begin();
    }

    void configure() {
        std::filesystem::create_directories(folder_ + "/state");
        std::ofstream file(folder_ + "/vfio-bind.toml");
        if (pick(2) == 0)
            file << "[[bind]]\nname = \"card\"\ndevices = [\"" << gpu << "\"]\n";
        if (pick(2) == 0)
            file << "[[bind]]\nname = \"plugged\"\ndevices = [\"" << second << "\"]\n";
        if (pick(10) == 0)
            file << "[[bind]\n"; // not valid
    }

    Target anyTarget() {
        Target target;
        const auto found = core_->intent().targetOf(anyDevice());
        if (found)
            target = *found;
        if (pick(3) == 0)
            if (const auto more = core_->intent().targetOf(anyDevice()))
                target.groups.insert(more->groups.begin(), more->groups.end());
        return target;
    }

    void change(Action action) {
        const auto target = anyTarget();
        if (target.groups.empty())
            return;
        const auto call = ++calls_;
        answers_[call] = 0;
        core_->change(action, target, {.allow = {"boot-display", "foreign-driver"}}, {.by = "a test"},
                      [this, call](const auto&) { ++answers_[call]; });
    }

    void acquire() {
        const auto target = anyTarget();
        if (target.groups.empty() || leases_.size() > 8)
            return;
        const auto call = ++calls_;
        answers_[call] = 0;
        core_->acquire(target, {.allow = {"boot-display", "foreign-driver"}},
                       {.uid = 0, .what = "a test", .by = "a test"}, [this, call](auto answer) {
                           ++answers_[call];
                           if (answer)
                               leases_.push_back(std::move(answer->lease));
                       });
    }

    void check() {
        const auto target = anyTarget();
        const auto call = ++calls_;
        answers_[call] = 0;
        core_->check(target, {}, {.by = "a test"}, [this, call](const auto&) { ++answers_[call]; });
    }

    void plug() {
        if (kernel_.anythingHangs())
            return;
        if (kernel_.present(second))
            kernel_.unplug(second);
        else
            kernel_.hotplug({.address = second, .ids = "8086:10d3", .classCode = 0x020000, .group = 9});
        executor_.look();
    }

    /// Another program takes a device from its driver, or gives it to one.
    void interfere() {
        const auto device = anyDevice();
        if (kernel_.anythingHangs() || !kernel_.present(device))
            return;
        if (const auto driver = kernel_.driverOf(device); !driver.empty())
            (void)kernel_.writeAsOther(drivers + driver + "/unbind", device);
        else
            (void)kernel_.writeAsOther("/sys/bus/pci/drivers_probe", device);
    }

    void expectTruth(unsigned number) {
        const auto state = core_->groupState(number);
        const auto endpoints = core_->topology().endpoints(number);
        const bool all = !endpoints.empty() && std::ranges::all_of(endpoints, [](const Device* device) {
            return device->driver == "vfio-pci";
        });
        if (state == "bound") {
            EXPECT_TRUE(all) << "group " << number;
        }
        if (state == "binding" || state == "releasing" || state == "stuck") {
            // One that is owed after its last lease goes back when the next try is due.
            EXPECT_TRUE(kernel_.anythingHangs() || core_->intent().isOwed(number))
                << "group " << number << " is " << state;
        }
        if (state == "native") {
            EXPECT_FALSE(all && core_->intent().owned(number) != nullptr) << "group " << number;
        }
    }

    std::mt19937 random_;
    std::string folder_;
    FakeKernel kernel_;
    EventLoop loop_;
    LoopSysfs sysfs_;
    InlineExecutor executor_;
    FakeModules modules_;
    FakeLeaseStore store_;
    std::list<Descriptor> leases_;
    std::optional<Core> core_;
    FakeUevents uevents_;
    Jobs jobs_;
    std::map<unsigned, unsigned> answers_; ///< by call
    unsigned calls_ = 0;
};

unsigned seedOf(const char* text) {
    return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : std::random_device{}();
}

TEST(RandomDriver, TheDaemonKeepsItsWord) {
    spdlog::set_level(spdlog::level::off);
    const auto seed = seedOf(std::getenv("VFIO_BIND_SEED"));
    RecordProperty("seed", std::to_string(seed));
    std::printf("seed %u; VFIO_BIND_SEED=%u repeats it\n", seed, seed);
    RandomDriver driver(seed);
    for (unsigned step = 1; step <= 10'000; ++step) {
        driver.step();
        if (step % 20 == 0) {
            driver.comeToRest();
            driver.expectTruth();
        }
        if (step % 500 == 0)
            driver.expectNobodyIsForgotten();
        if (HasFailure())
            FAIL() << "at step " << step << " of seed " << seed;
    }
    EXPECT_GT(driver.jobs(), 100U) << "hardly anything was done";
}

} // namespace
} // namespace vfiobind::random_driver_test
