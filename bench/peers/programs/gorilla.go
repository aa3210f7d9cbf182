// SPDX-License-Identifier: MIT
// Go's gorilla/websocket: gorilla echo|fan PORT. A message to all is prepared once, and written in turn by who got it.
package main

import (
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{EnableCompression: os.Getenv("BENCH_DEFLATE") != ""}

func upgrade(w http.ResponseWriter, r *http.Request) *websocket.Conn {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil
	}
	return c
}

func echo(w http.ResponseWriter, r *http.Request) {
	c := upgrade(w, r)
	for c != nil {
		kind, data, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, data) != nil {
			c.Close()
			return
		}
	}
}

var lock sync.Mutex
var members = map[*websocket.Conn]bool{}

func toAll(kind int, data []byte) {
	lock.Lock()
	defer lock.Unlock()
	message, err := websocket.NewPreparedMessage(kind, data)
	if err != nil {
		return
	}
	for member := range members {
		member.WritePreparedMessage(message)
	}
}

func fan(w http.ResponseWriter, r *http.Request) {
	c := upgrade(w, r)
	if c == nil {
		return
	}
	lock.Lock()
	members[c] = true
	lock.Unlock()
	for {
		kind, data, err := c.ReadMessage()
		if err != nil {
			break
		}
		toAll(kind, data)
	}
	lock.Lock()
	delete(members, c)
	lock.Unlock()
	c.Close()
}

func main() {
	handler := echo
	if os.Args[1] == "fan" {
		handler = fan
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[2], http.HandlerFunc(handler)))
}
