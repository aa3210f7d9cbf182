// SPDX-License-Identifier: MIT
// Go's nhooyr.io/websocket: nhooyr echo|fan PORT. A message to all is written in turn by who got it.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"sync"

	"nhooyr.io/websocket"
)

var always = context.Background()

func upgrade(w http.ResponseWriter, r *http.Request) *websocket.Conn {
	options := &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled}
	if os.Getenv("BENCH_DEFLATE") != "" {
		options.CompressionMode = websocket.CompressionNoContextTakeover
		options.CompressionThreshold = 1
	}
	c, err := websocket.Accept(w, r, options)
	if err != nil {
		return nil
	}
	c.SetReadLimit(1 << 21)
	return c
}

func echo(w http.ResponseWriter, r *http.Request) {
	c := upgrade(w, r)
	for c != nil {
		kind, data, err := c.Read(always)
		if err != nil || c.Write(always, kind, data) != nil {
			return
		}
	}
}

var lock sync.Mutex
var members = map[*websocket.Conn]bool{}

func toAll(kind websocket.MessageType, data []byte) {
	lock.Lock()
	defer lock.Unlock()
	for member := range members {
		member.Write(always, kind, data)
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
		kind, data, err := c.Read(always)
		if err != nil {
			break
		}
		toAll(kind, data)
	}
	lock.Lock()
	delete(members, c)
	lock.Unlock()
}

func main() {
	handler := echo
	if os.Args[1] == "fan" {
		handler = fan
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[2], http.HandlerFunc(handler)))
}
