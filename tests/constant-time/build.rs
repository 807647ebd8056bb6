fn main() {
    cc::Build::new().file("src/memcheck.c").compile("memcheck");
    println!("cargo::rerun-if-changed=src/memcheck.c");
}
