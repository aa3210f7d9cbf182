# SPDX-License-Identifier: MIT
.PHONY: all deps test
all: deps
	cmake --preset release
	cmake --build --preset release
deps:
	tools/deps build
test:
	tests/run
