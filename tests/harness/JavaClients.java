import java.io.BufferedReader;
import java.io.FileReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Kafka's own clients, by the lines of the standard input: "produce NAME FILE TOPIC VALUE" and "consume NAME FILE TOPIC", both with
 * the client of that name, which is made of the properties file when it is first named; "close NAME". Each is answered by a line:
 * "ok", with how many records were read, or "refused" and why.
 */
public class JavaClients {
    private static final Map<String, AutoCloseable> CLIENTS = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            try {
                System.out.println("ok " + answer(words));
            } catch (Exception error) {
                Throwable cause = error.getCause() == null ? error : error.getCause();
                System.out.println("refused " + cause.getClass().getSimpleName() + " " + ("" + cause.getMessage()).replace('\n', ' '));
            }
        }
    }

    @SuppressWarnings("unchecked")
    private static long answer(String[] words) throws Exception {
        if (words[0].equals("close")) {
            AutoCloseable client = CLIENTS.remove(words[1]);
            if (client != null) {
                client.close();
            }
            return 0;
        }
        if (!CLIENTS.containsKey(words[1])) {
            CLIENTS.put(words[1], words[0].equals("produce") ? producer(words[2]) : consumer(words[2], words[3]));
        }
        if (words[0].equals("produce")) {
            KafkaProducer<String, String> producer = (KafkaProducer<String, String>) CLIENTS.get(words[1]);
            return producer.send(new ProducerRecord<>(words[3], words[4])).get().offset();
        }
        KafkaConsumer<String, String> consumer = (KafkaConsumer<String, String>) CLIENTS.get(words[1]);
        return consumer.poll(Duration.ofSeconds(30)).count();
    }

    private static AutoCloseable producer(String file) throws Exception {
        return new KafkaProducer<>(settings(file), new StringSerializer(), new StringSerializer());
    }

    private static AutoCloseable consumer(String file, String topic) throws Exception {
        KafkaConsumer<String, String> made =
                new KafkaConsumer<>(settings(file), new StringDeserializer(), new StringDeserializer());
        TopicPartition first = new TopicPartition(topic, 0);
        made.assign(List.of(first));
        made.seekToBeginning(List.of(first));
        return made;
    }

    private static Properties settings(String file) throws Exception {
        Properties found = new Properties();
        try (FileReader reader = new FileReader(file)) {
            found.load(reader);
        }
        return found;
    }
}
