#include "questions.h"

#include <algorithm>
#include <cctype>

namespace itk2::testing {
namespace {

std::size_t below(std::size_t limit, std::mt19937 &chance) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(chance);
}

std::string upper_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

// The pattern with something in the place of every * and ?.
std::string filled(const std::string &pattern, const std::string &star, const std::string &mark) {
    std::string text;
    for (const char c : pattern) text += c == '*' ? star : c == '?' ? mark : std::string(1, c);
    return text;
}

std::vector<std::string> names_of(const server_rec &server) {
    std::vector<std::string> names;
    if (server.server_hostname != nullptr) names.push_back(server.server_hostname);
    for (const apr_array_header_t *list : {server.names, server.wild_names}) {
        for (int i = 0; list != nullptr && i < list->nelts; i++)
            if (const char *name = reinterpret_cast<char **>(list->elts)[i]) names.push_back(name);
    }
    for (const server_addr_rec *named = server.addrs; named != nullptr; named = named->next)
        names.push_back(named->virthost);
    return names;
}

// A name as a client might spell it.
std::vector<std::string> spellings(const std::string &name) {
    std::vector<std::string> all = {name,       upper_case(name), name + ".", name + ":80", name + ".:8080",
                                    name + ":", "www." + name,    "x" + name, name + "x",   "." + name};
    if (name.find(':') != name.npos) all.insert(all.end(), {"[" + name + "]", "[" + upper_case(name) + "]:80"});
    if (name.find_first_of("*?") != name.npos)
        all.insert(all.end(), {filled(name, "", "x"), filled(name, "x", "y"), filled(name, "a.b", "."),
                               filled(name, "x", ""), filled(name, "x", "y") + ".", filled(name, "A", "B") + ":443"});
    return all;
}

std::string junk(std::mt19937 &chance) {
    static constexpr char letters[] = "abzAZ019.-_:*?[]%@/\\#,;~\x80\xff";
    std::string text;
    for (std::size_t i = below(24, chance) + 1; i > 0; i--) text += letters[below(sizeof letters - 1, chance)];
    return text;
}

std::string changed(std::string text, std::mt19937 &chance) {
    const std::size_t place = below(text.size() + 1, chance);
    switch (below(5, chance)) {
    case 0: return text.insert(place, junk(chance).substr(0, 1));
    case 1: return text.erase(std::min(place, text.size()), 1);
    case 2: return text + junk(chance);
    case 3: return text.insert(place, 1, '.');
    default: return text.insert(place, ":1");
    }
}

void add_paths(const server_rec &server, std::vector<std::string> &paths) {
    if (server.path == nullptr) return;
    const std::string path(server.path, static_cast<std::size_t>(server.pathlen));
    for (const char *end : {"", "/", "/x", "x", "?q", "?/", "#f", "//"}) paths.push_back(path + end);
    paths.push_back("/" + path);
    if (path.size() > 1) paths.push_back(path.substr(0, path.size() - 1));
}

LocalAddress address_of(const apr_sockaddr_t &address) {
    const auto *bytes = static_cast<const std::uint8_t *>(address.ipaddr_ptr);
    return {address.family, {bytes, bytes + address.ipaddr_len}};
}

// A v4 address as a socket for both families shows it.
LocalAddress mapped(const LocalAddress &v4) {
    LocalAddress v6{APR_INET6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
    v6.bytes.insert(v6.bytes.end(), v4.bytes.begin(), v4.bytes.end());
    return v6;
}

void add_addresses(server_rec *main_server, std::vector<LocalAddress> &addresses) {
    addresses.push_back({APR_INET, {198, 51, 100, 77}});
    addresses.push_back({APR_INET6, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 77}});
    for (const server_rec *server = main_server; server != nullptr; server = server->next)
        for (const server_addr_rec *named = server->addrs; named != nullptr; named = named->next)
            addresses.push_back(address_of(*named->host_addr));
    for (std::size_t i = 0, count = addresses.size(); i < count; i++)
        if (addresses[i].bytes.size() == 4) addresses.push_back(mapped(addresses[i]));
    const auto less = [](const LocalAddress &a, const LocalAddress &b) {
        return a.bytes < b.bytes;
    };
    const auto equal = [](const LocalAddress &a, const LocalAddress &b) {
        return a.bytes == b.bytes;
    };
    std::sort(addresses.begin(), addresses.end(), less);
    addresses.erase(std::unique(addresses.begin(), addresses.end(), equal), addresses.end());
}

// What a client can't get into a head, or what ends it.
bool can_be_sent(const std::string &text) {
    return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

void tidy(std::vector<std::string> &texts) {
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    texts.erase(std::remove_if(texts.begin(), texts.end(), [](const std::string &t) { return !can_be_sent(t); }),
                texts.end());
}

} // namespace

Questions questions_about(server_rec *main_server, std::size_t strange, std::mt19937 &chance) {
    Questions made;
    made.hosts = {"",
                  ".",
                  "..",
                  "*",
                  "_",
                  "80",
                  "127.0.0.1",
                  "127.0.0.1:80",
                  "[::1]",
                  "[::1",
                  "::1",
                  ":",
                  ":80",
                  "a:0",
                  "a:65536",
                  "[::ffff:127.0.0.1]",
                  "under_score",
                  "UNKNOWN.example",
                  "xn--nxasmq6b.example"};
    made.paths = {"/", "/x", "//", "*"};
    for (const server_rec *server = main_server; server != nullptr; server = server->next) {
        for (const std::string &name : names_of(*server))
            for (std::string &host : spellings(name)) made.hosts.push_back(std::move(host));
        add_paths(*server, made.paths);
    }
    const std::size_t suggested = made.hosts.size();
    for (std::size_t i = 0; i < strange; i++) {
        const std::string &host = made.hosts[below(suggested, chance)];
        made.hosts.push_back(i % 4 == 0 ? junk(chance) : changed(host, chance));
        const std::string &path = made.paths[below(made.paths.size(), chance)];
        if (i % 10 == 0) made.paths.push_back("/" + changed(path, chance));
    }
    tidy(made.hosts);
    tidy(made.paths);
    add_addresses(main_server, made.addresses);
    for (const ap_listen_rec *socket = ap_listeners; socket != nullptr; socket = socket->next)
        made.ports.push_back(socket->bind_addr->port);
    return made;
}

} // namespace itk2::testing
