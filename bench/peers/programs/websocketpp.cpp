// SPDX-License-Identifier: MIT
// WebSocket++ on Asio, on one thread: websocketpp echo|fan PORT
#include <cstdlib>
#include <set>
#include <string>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/server.hpp>

using websocketpp::connection_hdl;
using server = websocketpp::server<websocketpp::config::asio>;

int main(int, char **argv)
{
    bool fan = std::string(argv[1]) == "fan";
    std::set<connection_hdl, std::owner_less<connection_hdl>> members;
    server s;
    s.clear_access_channels(websocketpp::log::alevel::all);
    s.clear_error_channels(websocketpp::log::elevel::all);
    s.init_asio();
    s.set_reuse_addr(true);
    s.set_listen_backlog(4096);
    s.set_tcp_post_init_handler([&](connection_hdl member) {
        s.get_con_from_hdl(member)->get_raw_socket().set_option(boost::asio::ip::tcp::no_delay(true));
    });
    s.set_open_handler([&](connection_hdl member) { members.insert(member); });
    s.set_close_handler([&](connection_hdl member) { members.erase(member); });
    s.set_message_handler([&](connection_hdl from, server::message_ptr message) {
        websocketpp::lib::error_code error;
        if (!fan)
            s.send(from, message, error);
        else
            for (auto &member : members)
                s.send(member, message, error);
    });
    s.listen(boost::asio::ip::tcp::v4(), static_cast<unsigned short>(std::atoi(argv[2])));
    s.start_accept();
    s.run();
}
