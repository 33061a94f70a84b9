// SPDX-License-Identifier: LGPL-2.1-or-later
#include "early/serials.h"

#include "config/config.h"
#include "fake/machine.h"
#include "plan/wanted.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace vfiobind::early::serials_test {
namespace {

using namespace fakemachine;
namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string number = "00-11-22-ff-fe-33-44-55";

std::string configWithSerial() {
    std::string config(4096, '\0');
    config.replace(0x100, 12, std::string("\x03\x00\x01\x00\x55\x44\x33\xfe\xff\x22\x11\x00", 12));
    return config;
}

class KeepSerials : public testing::Test {
protected:
    KeepSerials() {
        std::string name = (fs::temp_directory_path() / "vfio-bind-serials-XXXXXX").string();
        if (!::mkdtemp(name.data()))
            throw std::system_error(errno, std::generic_category(), name);
        root = name;
    }
    ~KeepSerials() override { fs::remove_all(root); }
    std::string fileOf(const std::string& address) const {
        std::ifstream file(root + std::string(serialsDirectory) + "/" + address);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::string root;
    FakeKernel kernel = machine();
};

TEST_F(KeepSerials, WritesThoseThatThereAreWithTheirDevicesIds) {
    kernel.putFile(devices + nic + "/config", configWithSerial());
    kernel.putFile(devices + gpu + "/config", std::string(64, '\0'));
    EXPECT_THAT(keepSerials(kernel, root), IsEmpty());
    EXPECT_EQ(fileOf(nic), number + " 8086:10d3\n");
    EXPECT_EQ(fileOf(gpu), "");
}

TEST_F(KeepSerials, LeavesToTheKernelWhatItTells) {
    kernel.putFile(devices + nic + "/config", configWithSerial());
    kernel.putFile(devices + nic + "/serial_number", number);
    EXPECT_EQ(serialOf(kernel, Address::parse(nic).value()), std::nullopt);
    EXPECT_EQ(readDevice(kernel, Address::parse(nic).value())->serial, number);
}

TEST_F(KeepSerials, ForgetsTheNumberOfADeviceThatHasGone) {
    kernel.putFile(devices + nic + "/config", configWithSerial());
    keepSerials(kernel, root);
    kernel.unplug(nic);
    EXPECT_TRUE(keepSerial(kernel, Address::parse(nic).value(), root));
    EXPECT_FALSE(fs::exists(root + std::string(serialsDirectory) + "/" + nic));
}

TEST(Serials, AreOfTheDeviceForWhichTheyWereKept) {
    auto kernel = machine();
    const auto address = Address::parse(nic).value();
    EXPECT_EQ(Topology::read(kernel)->find(address)->serial, "");
    kernel.putFile(std::string(serialsDirectory) + "/" + nic, number + " 8086:10d3\n");
    EXPECT_EQ(readDevice(kernel, address)->serial, number);
    EXPECT_EQ(Topology::read(kernel)->find(address)->serial, number);
    EXPECT_EQ(Topology::read(kernel)->find(Address::parse(gpu).value())->serial, "");
    kernel.putFile(std::string(serialsDirectory) + "/" + nic, number + " 8086:1533\n");
    EXPECT_EQ(readDevice(kernel, address)->serial, "");
    kernel.putFile(std::string(serialsDirectory) + "/" + nic, "nonsense\n");
    EXPECT_EQ(readDevice(kernel, address)->serial, "");
}

Resolution resolved(const FakeKernel& kernel, const std::string& selector) {
    const auto policy = parsePolicy({{"a.toml", "[[bind]]\nname = 'x'\ndevices = [" + selector + "]\n"}});
    if (!policy)
        throw std::runtime_error(str(policy.error()));
    return resolve(*policy, Topology::read(kernel).value());
}

TEST(Serials, TellIdenticalCardsApart) {
    auto kernel = machine();
    kernel.addDevice({.address = "0000:02:01.0", .ids = "8086:10d3", .classCode = 0x020000, .group = 4});
    kernel.putFile(devices + nic + "/serial_number", number);
    kernel.putFile(devices + "0000:02:01.0/serial_number", "00-11-22-ff-fe-33-44-56");
    const auto found = resolved(kernel, "{ serial = '00-11-22-FF-FE-33-44-56' }");
    ASSERT_EQ(found.groups.size(), 1U);
    EXPECT_THAT(found.groups.at(4).blockers, IsEmpty());
    // Two cards of one number are told apart by another key only.
    kernel.putFile(devices + "0000:02:01.0/serial_number", number);
    const auto twice = resolved(kernel, "{ serial = '" + number + "' }");
    ASSERT_EQ(twice.groups.at(3).blockers.size(), 1U);
    EXPECT_EQ(twice.groups.at(3).blockers[0].code, "ambiguous");
    EXPECT_THAT(twice.groups.at(4).blockers[0].sentence,
                HasSubstr("several cards have: 0000:02:00.0, 0000:02:01.0"));
    EXPECT_THAT(resolved(kernel, "{ serial = '" + number + "', address = '02:01.0' }").groups.at(4).blockers,
                IsEmpty());
}

TEST(Serials, OneNumberForTheFunctionsOfACardIsNotAmbiguous) {
    auto kernel = machine();
    for (const auto& function : {gpu, audio})
        kernel.putFile(devices + function + "/serial_number", number);
    EXPECT_THAT(resolved(kernel, "{ serial = '" + number + "' }").groups.at(1).blockers, IsEmpty());
}

TEST(Serials, SayWhereACardHasGone) {
    auto kernel = machine();
    kernel.putFile(devices + gpu + "/serial_number", "00-00-00-00-00-00-00-01");
    kernel.putFile(devices + nic + "/serial_number", number);
    const auto found = resolved(kernel, "{ address = '01:00.0', serial = '" + number + "' }");
    ASSERT_EQ(found.groups.at(1).blockers.size(), 1U);
    EXPECT_EQ(found.groups.at(1).blockers[0].code, "id-mismatch");
    EXPECT_THAT(
        found.groups.at(1).blockers[0].sentence,
        HasSubstr("serial number 00-00-00-00-00-00-00-01); correct the rule if this card is meant; the "
                  "card with serial number " +
                  number + " is at 0000:02:00.0 now"));
}

TEST(MovedCards, AreFoundByTheirIdToo) {
    const auto kernel = machine();
    const auto exchanged = resolved(kernel, "{ address = '02:00.0', id = '10de:1284' }");
    EXPECT_THAT(exchanged.groups.at(3).blockers.at(0).sentence,
                HasSubstr("; 10de:1284 is at 0000:01:00.0 now"));
    EXPECT_THAT(exchanged.moved, IsEmpty());
    const auto moved = resolved(kernel, "{ address = '05:00.0', id = '10de:1284' }");
    EXPECT_THAT(moved.groups, IsEmpty());
    EXPECT_THAT(moved.moved, testing::ElementsAre(
                                 "rule x names { address = \"0000:05:00.0\", id = \"10de:1284\" }, and no "
                                 "card is there; 10de:1284 is at 0000:01:00.0 now"));
    EXPECT_THAT(resolved(kernel, "{ address = '05:00.0', id = '10de:ffff' }").moved, IsEmpty());
    EXPECT_THAT(resolved(kernel, "'05:00.0'").moved, IsEmpty());
}

} // namespace
} // namespace vfiobind::early::serials_test
