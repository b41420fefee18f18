plugins {
    id("org.springframework.boot") version "3.5.0"
    kotlin("jvm") version "2.2.0"
}

dependencies {
    implementation("org.flywaydb:flyway-core")
    implementation("org.flywaydb:flyway-database-postgresql")
}
