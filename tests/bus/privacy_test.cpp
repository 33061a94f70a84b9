// SPDX-License-Identifier: LGPL-2.1-or-later
// Who reads what of other users' processes.
#include "fake_polkit.h"
#include "fixture.h"
#include "other_user.h"

namespace vfiobind::bustest::privacy_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Of the fake VMs' command line: `-name guest=demo`.
const std::string vmName = "VM demo";

std::string describeAndRelease(const std::string& target) {
    const auto connection = bus::openSessionBus();
    Manager manager(*connection);
    return manager.Describe() + refusalOf([&] { manager.Release(target, Options{}); }).message;
}

class PrivacyTest : public BusTest {
protected:
    /// A VM of root has group 3, one of nobody group 5; both groups have been looked at since.
    void startWithTwoVms() {
        start();
        client().bindAndWait(nic);
        client().bindAndWait(twin);
        tell("hold 812 3");
        tell("hold 813 5 " + std::to_string(nobody));
        for (const auto& target : {nic, twin})
            EXPECT_THAT(refusalOf([&] { client().release(target); }).message, HasSubstr(vmName));
    }
    std::string lastErrorOf(unsigned group) { return client().group(group, "LastError").get<std::string>(); }
    std::string commandOf(const json& document, unsigned group) {
        for (const auto& one : document.at("groups"))
            if (one.at("number") == group)
                return one.at("holders").at(0).at("command").get<std::string>();
        return "no such group";
    }
};

TEST_F(PrivacyTest, RootReadsTheVmsNames) {
    startWithTwoVms();
    const auto document = client().describe();
    EXPECT_THAT(commandOf(document, 3), HasSubstr(vmName));
    EXPECT_THAT(commandOf(document, 5), HasSubstr(vmName));
}

TEST_F(PrivacyTest, AUserReadsThoseOfHisOwnProcesses) {
    OtherUser others([] { return describeAndRelease(nic); });
    OtherUser own([] { return describeAndRelease(twin); });
    startWithTwoVms();
    FakePolkit polkit({{"org.vfiobind1.release", FakePolkit::Word::yes}});
    others.go();
    const auto ofRoots = others.report();
    const auto end = ofRoots.rfind('}');
    const auto document = json::parse(ofRoots.substr(0, end + 1));
    EXPECT_EQ(commandOf(document, 3), "qemu-system-x86");
    EXPECT_THAT(commandOf(document, 5), HasSubstr(vmName));
    EXPECT_THAT(ofRoots.substr(end), AllOf(HasSubstr("qemu-system-x86 (pid 812)"), Not(HasSubstr(vmName))));
    own.go();
    const auto ofHis = own.report();
    EXPECT_THAT(ofHis.substr(ofHis.rfind('}')), HasSubstr("qemu-system-x86 (VM demo) (pid 813)"));
}

/// They go to everybody who listens.
TEST_F(PrivacyTest, PropertiesAndSignalsNeverTellThem) {
    configure("[[bind]]\nname = \"slow\"\ndevices = [\"" + nic + "\"]\ntimeout = \"1s\"\n");
    startWithTwoVms();
    client().synchronise();
    EXPECT_EQ(client().group(5, "Holders"), json::parse(R"([[813, "qemu-system-x86"]])"));
    const Options forced{{"allow", texts({"held-by-vm"})}};
    tell("fail-at vfio-pci/unbind <- " + twin + " EIO 9");
    EXPECT_THAT(client().releaseAndWait(twin, forced), ElementsAre("rolled-back"));
    EXPECT_THAT(lastErrorOf(5), HasSubstr("EIO"));
    client().release(nic, forced); // waits for the VM
    client().waitFor("the holder in the error",
                     [&] { return lastErrorOf(3).find("pid 812") != std::string::npos; });
    for (const auto& [path, object] : client().objects())
        EXPECT_THAT(json(object).dump(), Not(HasSubstr(vmName))) << path;
    for (const auto& [name, values] : client().changed())
        EXPECT_THAT(json(values).dump(), Not(HasSubstr(vmName))) << name;
}

} // namespace
} // namespace vfiobind::bustest::privacy_test
