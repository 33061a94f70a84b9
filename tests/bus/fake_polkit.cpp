// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fake_polkit.h"

#include <chrono>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace vfiobind::bustest {
namespace {

using Result = sdbus::Struct<bool, bool, std::map<std::string, std::string>>;

} // namespace

class FakePolkit::Authority final
    : public sdbus::AdaptorInterfaces<org::freedesktop::PolicyKit1::Authority_adaptor> {
public:
    Authority(sdbus::IConnection& connection, std::map<std::string, Word> words) :
        AdaptorInterfaces(connection, sdbus::ObjectPath{"/org/freedesktop/PolicyKit1/Authority"}),
        words_(std::move(words)) {
        registerAdaptor();
    }
    ~Authority() { unregisterAdaptor(); }
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;

    template <typename Test>
    void wait(Test test, const char* what) {
        std::unique_lock lock(mutex_);
        if (!moved_.wait_for(lock, std::chrono::seconds(30), test))
            throw std::runtime_error(std::string("waited in vain for ") + what);
    }
    /// Answers without the lock: a call that comes meanwhile has the connection's lock and waits for ours.
    void sayYes() {
        std::unique_lock lock(mutex_);
        const auto unanswered = std::exchange(unanswered_, {});
        lock.unlock();
        for (const auto& result : unanswered)
            result.returnResults(Result{true, false, {}});
    }

    std::vector<PolkitCall> calls_;
    std::size_t cancelled_ = 0;

private:
    void CheckAuthorization(sdbus::Result<Result>&& result,
                            sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>> subject,
                            std::string action, std::map<std::string, std::string> details,
                            std::uint32_t flags, std::string) override {
        const std::lock_guard lock(mutex_);
        const bool mayAskUser = flags == 1;
        calls_.push_back({std::get<0>(subject) + ' ' + std::get<1>(subject).at("name").get<std::string>(),
                          action, std::move(details), mayAskUser});
        moved_.notify_all();
        const auto word = words_.find(action);
        answer(std::move(result), word == words_.end() ? Word::no : word->second, mayAskUser);
    }
    void CancelCheckAuthorization(const std::string&) override {
        const std::lock_guard lock(mutex_);
        ++cancelled_;
        moved_.notify_all();
    }

    void answer(sdbus::Result<Result>&& result, Word word, bool mayAskUser) {
        const bool silent =
            word == Word::silence || word == Word::yesLater || (word == Word::silenceWhenAsked && mayAskUser);
        if (silent)
            return unanswered_.push_back(std::move(result));
        const bool yes = word == Word::yes || (word == Word::afterAuthentication && mayAskUser);
        result.returnResults(Result{yes, !yes && word != Word::no, {}});
    }

    std::map<std::string, Word> words_;
    std::mutex mutex_;
    std::condition_variable moved_;
    std::vector<sdbus::Result<Result>> unanswered_;
};

FakePolkit::FakePolkit(std::map<std::string, Word> words) : connection_(bus::openSessionBus()) {
    authority_ = std::make_unique<Authority>(*connection_, std::move(words));
    connection_->requestName(bus::BusName{"org.freedesktop.PolicyKit1"});
    connection_->enterEventLoopAsync();
}

FakePolkit::~FakePolkit() {
    connection_->leaveEventLoop();
}

std::vector<PolkitCall> FakePolkit::calls(std::size_t count) {
    authority_->wait([&] { return authority_->calls_.size() >= count; }, "polkit to be asked");
    return authority_->calls_;
}

void FakePolkit::sayYes() {
    authority_->sayYes();
}

void FakePolkit::waitForCancel(std::size_t count) {
    authority_->wait([&] { return authority_->cancelled_ >= count; }, "a question to be cancelled");
}

} // namespace vfiobind::bustest
