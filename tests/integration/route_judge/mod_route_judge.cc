// What it is: a module for a plain httpd that lets it judge the route table: at the end of a configuration test it
// makes the table and compares its every answer with httpd's own lookup, on a made-up connection and request.
// The verdict goes to the file $ROUTE_JUDGE_OUTPUT. $ROUTE_JUDGE_LIMIT: how many comparisons at most;
// $ROUTE_JUDGE_SABOTAGE: make a wrong table, which must be noticed.
#include "questions.h"

#include "httpd/routes.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

using namespace itk2;
using namespace itk2::testing;

namespace {

constexpr std::size_t most_told = 25;

enum class Way { host_field, absolute_target, no_host };

struct Question {
    const LocalAddress *address;
    apr_port_t port;
    Way way;
    std::string text; // the host, or without one the path
};

std::string target_of(const Question &question) {
    switch (question.way) {
    case Way::host_field: return "/";
    case Way::absolute_target: return "http://" + question.text + "/";
    case Way::no_host: return question.text;
    }
    return {};
}

std::string head_of(const Question &question) {
    const std::string line = "GET " + target_of(question) + " HTTP/1.0\r\n";
    return line + (question.way == Way::host_field ? "Host: " + question.text + "\r\n\r\n" : "\r\n");
}

plan::Address table_address_of(const Question &question) {
    plan::Address address;
    address.port = question.port;
    const std::vector<std::uint8_t> &bytes = question.address->bytes;
    const std::vector<std::uint8_t> v4_in_v6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const bool is_v4 = bytes.size() == 4 || std::equal(v4_in_v6.begin(), v4_in_v6.end(), bytes.begin());
    address.length = is_v4 ? 4 : 16;
    std::copy(bytes.end() - address.length, bytes.end(), address.bytes.begin());
    return address;
}

void set_address(apr_sockaddr_t &address, const Question &question) {
    address.family = question.address->family;
    address.sa.sin.sin_family = static_cast<sa_family_t>(question.address->family);
    address.port = question.port;
    address.ipaddr_len = static_cast<int>(question.address->bytes.size());
    address.ipaddr_ptr = question.address->family == APR_INET ? static_cast<void *>(&address.sa.sin.sin_addr)
                                                              : static_cast<void *>(&address.sa.sin6.sin6_addr);
    std::memcpy(address.ipaddr_ptr, question.address->bytes.data(), question.address->bytes.size());
}

// httpd's answer; nullptr where it is 400.
server_rec *ask_httpd(const Question &question, server_rec *main_server, apr_pool_t *pool) {
    apr_sockaddr_t local{};
    set_address(local, question);
    conn_rec connection{};
    connection.pool = pool;
    connection.base_server = main_server;
    connection.local_addr = connection.client_addr = &local;
    connection.client_ip = const_cast<char *>("127.0.0.1");
    connection.conn_config = ap_create_conn_config(pool);
    ap_update_vhost_given_ip(&connection);

    request_rec request{};
    request.pool = pool;
    request.connection = &connection;
    request.server = connection.base_server;
    request.headers_in = apr_table_make(pool, 1);
    request.notes = apr_table_make(pool, 1);
    request.request_config = ap_create_request_config(pool);
    request.per_dir_config = request.server->lookup_defaults;
    request.useragent_addr = connection.client_addr;
    request.useragent_ip = connection.client_ip;
    request.method = "GET";
    request.method_number = M_GET;
    request.proto_num = HTTP_VERSION(1, 0);
    request.status = HTTP_OK;
    if (question.way == Way::host_field) apr_table_set(request.headers_in, "Host", question.text.c_str());
    ap_parse_uri(&request, apr_pstrdup(pool, target_of(question).c_str()));
    if (request.status == HTTP_OK) ap_update_vhost_from_headers(&request);
    return request.status == HTTP_OK ? request.server : nullptr;
}

class Judge {
  public:
    Judge(server_rec *main_server, apr_pool_t *pool, const plan::RouteTable &table)
        : main_server_(main_server), table_(table) {
        apr_pool_create(&pool_, pool);
        for (server_rec *server = main_server; server != nullptr; server = server->next) servers_.push_back(server);
    }

    void compare(const Question &question) {
        apr_pool_clear(pool_);
        server_rec *expected = ask_httpd(question, main_server_, pool_);
        if (expected == nullptr) {
            refused_++;
            return;
        }
        compared_++;
        const std::string head = head_of(question);
        const plan::FirstBytes first =
            plan::look({reinterpret_cast<const std::uint8_t *>(head.data()), head.size()}, true);
        const plan::Address local = table_address_of(question);
        const server_rec *found = servers_[number(table_.route(local, first).vhost)];
        if (first.sight != plan::Sight::http) return note(question, "not seen as a request", expected, found);
        if (found != expected) return note(question, "another vhost", expected, found);
        if (table_.needs_local_address(question.port)) return;
        plan::Address any;
        any.port = question.port;
        found = servers_[number(table_.route(any, first).vhost)];
        if (found != expected) note(question, "another vhost without the local address", expected, found);
    }

    void report(std::FILE *file, std::size_t table_size) const {
        std::fprintf(file, "compared=%zu answered_400=%zu mismatches=%zu table_bytes=%zu\n", compared_, refused_,
                     mismatches_, table_size);
        for (const plan::SocketEntry &socket : table_.sockets())
            std::fprintf(file, "socket port %d speaks_first %d tls %d\n", socket.port, socket.server_speaks_first,
                         socket.speaks_tls);
        for (const std::string &line : told_) std::fprintf(file, "%s\n", line.c_str());
    }

  private:
    void note(const Question &question, const char *what, const server_rec *expected, const server_rec *found) {
        mismatches_++;
        if (told_.size() >= most_told) return;
        apr_sockaddr_t local{};
        set_address(local, question);
        char address[64] = "";
        apr_sockaddr_ip_getbuf(address, sizeof address, &local);
        told_.push_back(std::string(what) + ": " + address + " port " + std::to_string(question.port) + " " +
                        head_of(question).substr(0, 200) + " -> line " + std::to_string(found->defn_line_number) +
                        ", httpd: line " + std::to_string(expected->defn_line_number));
    }

    server_rec *main_server_;
    const plan::RouteTable &table_;
    apr_pool_t *pool_ = nullptr;
    std::vector<server_rec *> servers_;
    std::vector<std::string> told_;
    std::size_t compared_ = 0, refused_ = 0, mismatches_ = 0;
};

plan::VhostEntry entry_of(const server_rec &server) {
    return {IdentityKey{static_cast<std::uint32_t>(server.defn_line_number)}, 5000, 0};
}

// Makes the table while the first two vhosts have each other's names, if told to.
Result make_table(server_rec *main_server, apr_pool_t *pool, GrowingBytes &bytes) {
    std::vector<ap_listen_rec *> sockets;
    for (ap_listen_rec *socket = ap_listeners; socket != nullptr; socket = socket->next) sockets.push_back(socket);
    server_rec *first = main_server->next;
    const bool wrong = std::getenv("ROUTE_JUDGE_SABOTAGE") != nullptr && first != nullptr && first->next != nullptr;
    if (wrong) std::swap(first->server_hostname, first->next->server_hostname);
    const Result result = httpd::compile_routes({pool, main_server, sockets, plan::Settings{}, entry_of}, bytes);
    if (wrong) std::swap(first->server_hostname, first->next->server_hostname);
    return result;
}

Question nth_question(const Questions &all, std::size_t n) {
    const auto next = [&n](std::size_t count) {
        const std::size_t digit = n % count;
        n /= count;
        return digit;
    };
    Question made{};
    made.address = &all.addresses[next(all.addresses.size())];
    made.port = all.ports[next(all.ports.size())];
    const std::size_t text = next(2 * all.hosts.size() + all.paths.size());
    if (text < all.hosts.size()) return {made.address, made.port, Way::host_field, all.hosts[text]};
    if (text < 2 * all.hosts.size())
        return {made.address, made.port, Way::absolute_target, all.hosts[text - all.hosts.size()]};
    return {made.address, made.port, Way::no_host, all.paths[text - 2 * all.hosts.size()]};
}

// All of them, or as many as the limit allows, chosen by chance.
void ask(const Questions &all, std::mt19937 &chance, Judge &judge) {
    const char *limit_text = std::getenv("ROUTE_JUDGE_LIMIT");
    const std::size_t limit = limit_text != nullptr ? std::strtoul(limit_text, nullptr, 10) : 200000;
    const std::size_t count = all.addresses.size() * all.ports.size() * (2 * all.hosts.size() + all.paths.size());
    std::uniform_int_distribution<std::size_t> any(0, count - 1);
    for (std::size_t i = 0; i < std::min(limit, count); i++)
        judge.compare(nth_question(all, count <= limit ? i : any(chance)));
}

void judge_configuration(apr_pool_t *pool, server_rec *main_server) {
    const char *output = std::getenv("ROUTE_JUDGE_OUTPUT");
    std::FILE *file = output != nullptr ? std::fopen(output, "w") : nullptr;
    if (file == nullptr) return;
    GrowingBytes bytes;
    plan::RouteTable table;
    const bool made = make_table(main_server, pool, bytes).ok();
    if (made && plan::RouteTable::open(bytes.items(), table).ok()) {
        std::mt19937 chance(7);
        Judge judge(main_server, pool, table);
        ask(questions_about(main_server, 400, chance), chance, judge);
        judge.report(file, bytes.size());
    } else {
        std::fprintf(file, "no table\n");
    }
    std::fclose(file);
}

void register_hooks(apr_pool_t *) { ap_hook_test_config(judge_configuration, nullptr, nullptr, APR_HOOK_LAST); }

} // namespace

extern "C" {
extern __attribute__((visibility("default"))) module AP_MODULE_DECLARE_DATA route_judge_module;
module AP_MODULE_DECLARE_DATA route_judge_module = {
    STANDARD20_MODULE_STUFF, nullptr, nullptr, nullptr, nullptr, nullptr, register_hooks, 0};
}
