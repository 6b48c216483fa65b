# Everything else is meson's: `meson compile -C build`, `meson test -C build`.
.PHONY: build demo test soak coverage check-packages clean

build: check-packages
	@tools/build build
	@echo "built build/wyckmill"

demo: build
	build/wyckmill run configs/demo.yaml --store build/demo/store --out build/demo/out

test:
	@tools/require-packages packages.txt packages-test.txt
	@tools/test

soak:
	@tools/require-packages packages.txt packages-test.txt
	@tools/test soak

coverage:
	@tools/require-packages packages.txt packages-test.txt packages-coverage.txt
	@tools/coverage

check-packages:
	@tools/require-packages packages.txt

clean:
	rm -rf build
