// Writes the seeds of all corpora into the directory given: tests/fuzz/corpus/{first_bytes,line_relay,messages,
// route_table,up_stream}.
// What a real client sent (openssl-*) stands there besides.
#include "client_hello_bytes.h"

#include "plan/route_table_builder.h"
#include "wire/messages.h"

#include <cstdio>
#include <fstream>
#include <string>

using namespace itk2;
using namespace itk2::testing;
using namespace std::string_literals;

namespace {

std::string directory;
int written = 0;

void write(const std::string &target, const std::string &name, const std::string &bytes) {
    std::ofstream(directory + "/" + target + "/" + name, std::ios::binary) << bytes;
    written++;
}

void write_http_heads() {
    const std::string heads[] = {
        "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "\r\n\nPOST /x?y#z HTTP/1.0\nhost:\t A.Example.:8080 \n\nbody",
        "GET http://user:pw@b.example:8080/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET https://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET http://[::1]:80/ HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost:\r\n a.example\r\nX: y\r\n z\r\n\r\n",
        "GET /simple\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nX\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SSH-2.0-client\r\n",
    };
    for (std::size_t i = 0; i < std::size(heads); i++) write("first_bytes", "head-" + std::to_string(i), heads[i]);
    write("first_bytes", "head-long-line", "GET / HTTP/1.1\r\nX: " + std::string(16400, 'x') + "\r\n\r\n");
}

void write_proxy_headers() {
    const std::string head = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    const std::string binary = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"s + std::string(12, 'a');
    write("first_bytes", "proxy1-tcp4", "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n" + head);
    write("first_bytes", "proxy1-tcp6-tls", "PROXY TCP6 2001:db8::1 ::1 1 2\r\n" + client_hello("a.example"));
    write("first_bytes", "proxy1-unknown", "PROXY UNKNOWN\r\n" + head);
    write("first_bytes", "proxy1-request", "PROXY UNKNOWN HTTP/1.1\r\nHost: a\r\n\r\n");
    write("first_bytes", "proxy2", binary + head);
    write("first_bytes", "proxy2-tls", binary + client_hello("a.example"));
}

void write_client_hellos() {
    const std::string message = hello_message(extension(51, std::string(100, 'k')) + server_name("a.example"));
    write("first_bytes", "hello", client_hello("a.example"));
    write("first_bytes", "hello-without-name", records(hello_message(extension(10, "group"))));
    write("first_bytes", "hello-in-records", records(message, 50));
    write("first_bytes", "hello-name-over-records", records(hello_message(server_name("a.example")), 5));
    write("first_bytes", "hello-post-quantum",
          records(hello_message(extension(51, std::string(4500, 'k')) + server_name("a.example")), 1400));
    write("first_bytes", "hello-sslv2", "\x80\x2e\x01\x03\x01"s + std::string(40, 'x'));
}

template <typename Message> void write_message(const std::string &name, const Message &message) {
    const ByteView bytes = wire::encode(message);
    write("messages", name, {reinterpret_cast<const char *>(bytes.data()), bytes.size()});
}

void write_messages() {
    wire::Connection connection{};
    write_message("connection", connection);
    connection.replay_length = 16;
    connection.replay.fill('r');
    write_message("connection-replay", connection);
    connection.replay_length = wire::max_replay;
    write_message("connection-longest-replay", connection);
    write_message("order", wire::Order{});
    write_message("hurry", wire::Hurry{});
    write_message("finish", wire::Finish{});
    write_message("sockets", wire::Sockets{});
    write_message("generation", wire::NewGeneration{});
    write_message("logs", wire::Logs{});
    write_message("parser-logs", wire::ParserLogs{});
    write_message("writer", wire::Writer{});
    write_message("grant", wire::Grant{});
    write_message("worker", wire::Worker{});
    write_message("identified", wire::Identified{});
    write_message("gone", wire::Gone{});
    write_message("evict", wire::Evict{});
    write_message("stop", wire::Stop{});
    write_message("serving", wire::Serving{});
    write_message("report", wire::Report{});
    write_message("ready", wire::Ready{});
    write_message("want", wire::Want{});
    write_message("notice", wire::Notice{});
    write_message("broken", wire::Broken{});
    write_message("started", wire::Started{});
    write_message("ask", wire::Ask{});
    write_message("found", wire::Found{});
    write_message("drained", wire::Drained{});
}

// A reporter's pieces, and a log writer's: see the targets.
void write_pieces() {
    for (const char piece : {'\0', '\x06', '\x0f', '\x30', '\xff'})
        write("up_stream", "pieces-of-" + std::to_string(static_cast<std::uint8_t>(piece) + 1),
              std::string(1, piece) + "\x03" + std::string(400, 'r'));
    write("line_relay", "in-turn", "\x05one\n2\x85one\n2\x04two\n\x84two\n"s);
    write("line_relay", "without-end", "\x03one\x83one"s);
    write("line_relay", "empty-lines", "\x02\n\n\x82\n\n\x01x"s);
    write("line_relay", "long", "\x7f"s + std::string(127, 'x') + "\xff" + std::string(127, 'y'));
}

void add_chain(plan::RouteTableBuilder &builder) {
    builder.begin_chain(VhostIndex{1});
    builder.add_candidate(VhostIndex{1});
    builder.add_name("one.example");
    builder.add_pattern("*.one.example");
    builder.add_address_text("address.example");
    builder.add_candidate(VhostIndex{2});
    builder.add_name("two.example");
    builder.add_pattern("t?o*.example");
    builder.add_path("/two");
}

void write_route_table(const std::string &name, bool with_chain, const std::string &line) {
    plan::RouteTableBuilder builder({Generation{1}, 1, 2, 3, 4, 5, 6});
    builder.add_socket({80, false, false});
    builder.add_socket({443, true, true});
    for (std::uint32_t i = 0; i < 3; i++) builder.add_vhost({IdentityKey{i}, i, i, static_cast<plan::HintScope>(i)});
    builder.add_network({{127}, 4, 8});
    builder.add_network({{0x20, 1, 0xd, 0xb8}, 16, 128});
    if (with_chain) {
        add_chain(builder);
        const plan::ChainIndex chain = builder.end_chain();
        builder.set_port(80, chain);
        builder.begin_chain(VhostIndex{0});
        const plan::ChainIndex only_main = builder.end_chain();
        builder.set_port(443, only_main);
        builder.set_address({{127, 0, 0, 1}, 4, 443}, chain);
        builder.set_address({{0x20, 1, 0xd, 0xb8}, 16, 80}, only_main);
    }
    GrowingBytes table;
    if (!builder.finish(table).ok()) return;
    write("route_table", name, {reinterpret_cast<const char *>(table.items().data()), table.size()});
    std::ofstream(directory + "/route_table/" + name, std::ios::binary | std::ios::app) << '\n' << line;
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    directory = argv[1];
    write_http_heads();
    write_proxy_headers();
    write_client_hellos();
    write_messages();
    write_pieces();
    write_route_table("no-chain", false, "one.example");
    write_route_table("name", true, "TWO.example:80");
    write_route_table("suffix", true, "www.one.example.");
    write_route_table("pattern", true, "two.three.example");
    write_route_table("address-text", true, "address.example");
    write_route_table("path", true, "/two/x");
    std::printf("%d seeds written\n", written);
    return 0;
}
