<?php
// Everything comes from the environment: NAME, or NAME_FILE with the path of a file that has the value.
function setting(string $name, string $default = ''): string {
    $file = getenv($name . '_FILE');
    if ($file) {
        return trim(file_get_contents($file));
    }
    $value = getenv($name);
    return $value === false ? $default : $value;
}
define('DB_NAME', setting('WORDPRESS_DB_NAME', 'wordpress'));
define('DB_USER', setting('WORDPRESS_DB_USER', 'wordpress'));
define('DB_PASSWORD', setting('WORDPRESS_DB_PASSWORD'));
define('DB_HOST', setting('WORDPRESS_DB_HOST', 'mysql'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('AUTH_KEY', hash('sha256', 'auth' . DB_PASSWORD));
define('SECURE_AUTH_KEY', hash('sha256', 'secure' . DB_PASSWORD));
define('LOGGED_IN_KEY', hash('sha256', 'logged' . DB_PASSWORD));
define('NONCE_KEY', hash('sha256', 'nonce' . DB_PASSWORD));
define('WP_DEBUG', setting('WORDPRESS_DEBUG') !== '');
// The address by which it was asked, so that a copy elsewhere does not send its readers back.
if (isset($_SERVER['HTTP_HOST'])) {
    define('WP_HOME', 'http://' . $_SERVER['HTTP_HOST']);
    define('WP_SITEURL', 'http://' . $_SERVER['HTTP_HOST']);
}
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);
$table_prefix = setting('WORDPRESS_TABLE_PREFIX', 'wp_');
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
